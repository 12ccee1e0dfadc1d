package pktlinux

import (
	"encoding/binary"
	"time"
	"unsafe"

	"fivetuple/scenarios/packetdrill"
	"fivetuple/sockapi"

	"golang.org/x/sys/unix"
)

// header is a struct msghdr and what it points to.
type header struct {
	msg     unix.Msghdr
	iov     []unix.Iovec
	name    []byte
	control []byte
}

func (h *header) point(buffers [][]byte) {
	h.iov = make([]unix.Iovec, len(buffers))
	for i, b := range buffers {
		h.iov[i].Base = unsafe.SliceData(b)
		h.iov[i].SetLen(len(b))
	}
	if len(h.iov) > 0 {
		h.msg.Iov = &h.iov[0]
		h.msg.SetIovlen(len(h.iov))
	}
	if len(h.name) > 0 {
		h.msg.Name, h.msg.Namelen = &h.name[0], uint32(len(h.name))
	}
	if len(h.control) > 0 {
		h.msg.Control = &h.control[0]
		h.msg.SetControllen(len(h.control))
	}
}

func (s *sockets) Sendmsg(fd int, m *sockapi.Msg, flags int) (int, error) {
	var h header
	if m.Name.IsValid() {
		h.name = address(m.Name)
	}
	for _, c := range m.Control {
		h.control = append(h.control, controlMessage(c)...)
	}
	h.point(m.Iov)
	n, _, errno := unix.Syscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&h.msg)), uintptr(flags))
	return int(n), result("sendmsg", errno)
}

// controlMessage is a struct cmsghdr with its data: cmsg(3).
func controlMessage(c sockapi.Cmsg) []byte {
	data, ok := c.Value.([]byte)
	if n, isInt := c.Value.(int); isInt && !ok {
		data = word(n)
	}
	b := make([]byte, unix.CmsgSpace(len(data)))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	h.Level, h.Type = int32(c.Level), int32(c.Type)
	h.SetLen(unix.CmsgLen(len(data)))
	copy(b[unix.CmsgLen(0):], data)
	return b
}

func (s *sockets) Recvmsg(fd int, m *sockapi.Msg, flags int) (int, error) {
	for {
		h := header{name: make([]byte, unix.SizeofSockaddrAny), control: make([]byte, 4096)}
		h.point(m.Iov)
		n, _, errno := unix.Syscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&h.msg)), uintptr(flags))
		switch {
		case errno == unix.EINTR && !s.closing.Load():
			continue
		case errno != 0:
			return 0, failure("recvmsg", errno)
		}
		m.Name = parseAddress(h.name[:min(int(h.msg.Namelen), len(h.name))])
		m.Flags = int(h.msg.Flags) &^ unix.MSG_CMSG_CLOEXEC
		m.Control = controls(h.control[:min(int(h.msg.Controllen), len(h.control))])
		return int(n), nil
	}
}

func controls(b []byte) (out []sockapi.Cmsg) {
	list, err := unix.ParseSocketControlMessage(b)
	if err != nil {
		return nil
	}
	for _, m := range list {
		out = append(out, sockapi.Cmsg{Level: int(m.Header.Level), Type: int(m.Header.Type), Value: controlValue(&m)})
	}
	return out
}

// controlValue is the data of a control message, as [packetdrill.NativeSockets]
// has it.
func controlValue(m *unix.SocketControlMessage) any {
	level, typ, b := m.Header.Level, m.Header.Type, m.Data
	switch {
	case level == unix.SOL_SOCKET && typ == unix.SO_TIMESTAMPING && len(b) >= 48:
		var out packetdrill.Timestamps
		for i := range out {
			out[i] = time.Duration(binary.NativeEndian.Uint64(b[16*i:]))*time.Second + time.Duration(binary.NativeEndian.Uint64(b[16*i+8:]))
		}
		return out
	case (level == unix.IPPROTO_IP && typ == unix.IP_RECVERR || level == unix.IPPROTO_IPV6 && typ == unix.IPV6_RECVERR) && len(b) >= 16:
		return extendedErr(b)
	case len(b) >= 4 && len(b) < 8:
		return int(int32(binary.NativeEndian.Uint32(b)))
	}
	return b
}

// extendedErr is struct sock_extended_err: <linux/errqueue.h>.
func extendedErr(b []byte) sockapi.ExtendedErr {
	return sockapi.ExtendedErr{
		Errno: sockapi.Errno(binary.NativeEndian.Uint32(b)), Origin: int(b[4]), Type: int(b[5]), Code: int(b[6]),
		Info: int(binary.NativeEndian.Uint32(b[8:])), Data: int(binary.NativeEndian.Uint32(b[12:])), Offender: parseAddress(b[16:]).Addr(),
	}
}
