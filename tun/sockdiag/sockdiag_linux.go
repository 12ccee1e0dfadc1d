package sockdiag

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"fivetuple/trace"

	"golang.org/x/sys/unix"
)

// Conn is a netlink socket that asks the kernel for TCP connections, in the
// network namespace in which it was made: whoever holds it may be in another one.
type Conn struct {
	fd      int
	devices []int
	seq     uint32
	req     []byte
	buf     []byte
}

// Open makes a Conn in the network namespace of the calling thread. devices are
// the numbers (if_nametoindex(3)) of those that connections may be bound to, by
// SO_BINDTODEVICE or a link-local address; the others are found with any. The
// error says that this kernel has no sock_diag for TCP, or that it refuses.
func Open(devices ...int) (*Conn, error) {
	fd, err := OpenFD()
	if err != nil {
		return nil, err
	}
	return FromFD(fd, devices...), nil
}

// OpenFD makes the socket alone, for another process, to which it is passed.
func OpenFD() (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return -1, fmt.Errorf("sock_diag: %w", os.NewSyscallError("socket", err))
	}
	if err := FromFD(fd).probe(); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("sock_diag: this kernel does not tell of TCP connections (CONFIG_INET_TCP_DIAG): %w", err)
	}
	return fd, nil
}

// FromFD makes a Conn of a socket of OpenFD's; Close closes it.
func FromFD(fd int, devices ...int) *Conn {
	if len(devices) == 0 {
		devices = []int{0}
	}
	return &Conn{fd: fd, devices: devices, buf: make([]byte, 8192)}
}

// Close closes the socket.
func (c *Conn) Close() error { return unix.Close(c.fd) }

// Connection looks for the TCP connection with a five-tuple, Local being this
// kernel's side; ok is false if there is none. A connection that has not been
// accepted, or is in TIME-WAIT, is one. It does not wait.
func (c *Conn) Connection(ft trace.FiveTuple) (s trace.Socket, ok bool, err error) {
	for _, device := range c.devices {
		s, err = c.get(ft, device)
		switch {
		case errors.Is(err, unix.ENOENT):
			continue
		case err != nil:
			return s, false, fmt.Errorf("sock_diag: %w", err)
		case s.State == trace.Listen || s.Remote.Port() != ft.Remote.Port():
			continue // the listener to which a SYN with this five-tuple would go
		}
		s.FiveTuple, s.Info.FiveTuple = ft, ft
		return s, true, nil
	}
	return trace.Socket{}, false, nil
}

// get asks for one socket.
func (c *Conn) get(ft trace.FiveTuple, device int) (trace.Socket, error) {
	family := byte(unix.AF_INET)
	if ft.Local.Addr().Is6() {
		family = unix.AF_INET6
	}
	if err := c.send(unix.NLM_F_REQUEST, question{family: family, proto: unix.IPPROTO_TCP, want: wantInfo, states: ^uint32(0), tuple: ft, device: device}); err != nil {
		return trace.Socket{}, err
	}
	body, kind, err := c.receive()
	switch {
	case err != nil:
		return trace.Socket{}, err
	case kind != unix.SOCK_DIAG_BY_FAMILY:
		return trace.Socket{}, fmt.Errorf("the answer has type %d: %w", kind, errMalformed)
	}
	return Parse(body)
}

// probe asks for the connections in no state at all: the answer is that there are
// none, or that nobody knows.
func (c *Conn) probe() error {
	if err := c.send(unix.NLM_F_REQUEST|unix.NLM_F_DUMP, question{family: unix.AF_INET, proto: unix.IPPROTO_TCP}); err != nil {
		return err
	}
	_, kind, err := c.receive()
	if err == nil && kind != unix.NLMSG_DONE {
		err = fmt.Errorf("the answer has type %d: %w", kind, errMalformed)
	}
	return err
}

// question is what a struct inet_diag_req_v2 asks for.
type question struct {
	family, proto byte
	want          byte   // attributes, each a bit: idiag_ext
	states        uint32 // a bit for each
	tuple         trace.FiveTuple
	device        int
	peer          netip.Addr // of a list: only sockets with this one
}

// wantInfo asks for a struct tcp_info.
const wantInfo = 1 << (attrInfo - 1)

// send sends a struct inet_diag_req_v2.
func (c *Conn) send(flags uint16, q question) error {
	const size = unix.NLMSG_HDRLEN + 56
	c.seq++
	native := binary.NativeEndian
	filter := appendPeer(nil, q.peer)
	b := native.AppendUint32(c.req[:0], uint32(size+len(filter)))
	b = native.AppendUint16(b, unix.SOCK_DIAG_BY_FAMILY)
	b = native.AppendUint16(b, flags)
	b = native.AppendUint32(b, c.seq)
	b = native.AppendUint32(b, 0) // to the kernel
	b = append(b, q.family, q.proto, q.want, 0)
	b = native.AppendUint32(b, q.states)
	b = binary.BigEndian.AppendUint16(b, q.tuple.Local.Port())
	b = binary.BigEndian.AppendUint16(b, q.tuple.Remote.Port())
	b = appendAddr(b, q.tuple.Local.Addr())
	b = appendAddr(b, q.tuple.Remote.Addr())
	b = native.AppendUint32(b, uint32(q.device))
	b = native.AppendUint64(b, ^uint64(0)) // INET_DIAG_NOCOOKIE
	b = append(b, filter...)
	c.req = b
	return os.NewSyscallError("sendto", unix.Sendto(c.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
}

// Of linux/inet_diag.h: an attribute with a program that the kernel runs for each
// socket, and that program's instruction for the peer's address.
const (
	attrBytecode = 1 // INET_DIAG_REQ_BYTECODE
	opPeer       = 8 // INET_DIAG_BC_D_COND
)

// appendPeer appends a program that takes sockets with one peer: a struct
// inet_diag_bc_op with its struct inet_diag_hostcond. An IPv4 address is that of
// AF_INET6 sockets, too. The zero address is any, and nothing is appended.
func appendPeer(b []byte, peer netip.Addr) []byte {
	if !peer.IsValid() {
		return b
	}
	native := binary.NativeEndian
	family, addr := byte(unix.AF_INET), peer.AsSlice()
	if peer.Is6() {
		family = unix.AF_INET6
	}
	op := uint16(4 + 8 + len(addr))
	b = native.AppendUint16(b, attrHeader+op)
	b = native.AppendUint16(b, attrBytecode)
	b = append(b, opPeer, byte(op))  // if it matches, go on behind the end
	b = native.AppendUint16(b, op+4) // else beyond, which refuses
	b = append(b, family, byte(peer.BitLen()), 0, 0)
	b = native.AppendUint32(b, ^uint32(0)) // any port
	return append(b, addr...)
}

// appendAddr appends an address as a __be32[4]: an IPv4 one is the first.
func appendAddr(b []byte, a netip.Addr) []byte {
	var all [16]byte
	copy(all[:], a.AsSlice())
	return append(b, all[:]...)
}

// receive reads the kernel's answer: it has been written when send returns.
// Answers to earlier questions, of which somebody has been told by an error, are
// left out.
func (c *Conn) receive() (body []byte, kind uint16, err error) {
	for {
		n, _, err := unix.Recvfrom(c.fd, c.buf, unix.MSG_DONTWAIT)
		if err != nil {
			return nil, 0, os.NewSyscallError("recvfrom", err)
		}
		m, err := parseMessage(c.buf[:n])
		if m.seq == c.seq || errors.Is(err, errMalformed) {
			return m.body, m.kind, err
		}
	}
}
