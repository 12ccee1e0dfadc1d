package sockdiag

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// listBuffer is more than the kernel sends at a time: at most 32 KiB.
const listBuffer = 64 << 10

// numbers are those of the protocols that can be listed.
var numbers = map[string]byte{"tcp": unix.IPPROTO_TCP, "udp": unix.IPPROTO_UDP}

// List returns the sockets of the namespace: of "tcp" or "udp", of both families,
// in the kernel's order. With peers it returns those that are connected to one of
// these addresses, and the kernel passes over the others, which may be many; one
// that is unspecified stands for sockets without a peer. It does not wait.
func (c *Conn) List(proto string, peers ...netip.Addr) (all []Listed, err error) {
	number, ok := numbers[proto]
	if !ok {
		return nil, fmt.Errorf("sock_diag: sockets of %s cannot be listed", proto)
	}
	if len(peers) == 0 {
		peers = []netip.Addr{{}}
	}
	for _, peer := range peers {
		for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
			if family == unix.AF_INET && peer.Is6() {
				continue
			}
			if all, err = c.list(all, family, number, peer); err != nil {
				if errors.Is(err, unix.ENOENT) {
					err = fmt.Errorf("this kernel does not tell of %s sockets (CONFIG_INET_UDP_DIAG, CONFIG_INET_TCP_DIAG): %w", proto, err)
				}
				return nil, fmt.Errorf("sock_diag: %w", err)
			}
		}
	}
	for i := range all {
		all[i].Proto = proto
	}
	return all, nil
}

// list appends the sockets of one family with one peer, or with any.
func (c *Conn) list(all []Listed, family, proto byte, peer netip.Addr) ([]Listed, error) {
	q := question{family: family, proto: proto, want: wantInfo | wantMore, states: ^uint32(0), peer: peer}
	if err := c.send(unix.NLM_F_REQUEST|unix.NLM_F_DUMP, q); err != nil {
		return all, err
	}
	buf := make([]byte, listBuffer)
	for {
		n, _, flags, _, err := unix.Recvmsg(c.fd, buf, nil, unix.MSG_DONTWAIT)
		if err != nil {
			return all, os.NewSyscallError("recvmsg", err)
		}
		if flags&unix.MSG_TRUNC != 0 {
			return all, fmt.Errorf("an answer is longer than %d bytes: %w", listBuffer, errMalformed)
		}
		done := false
		if all, done, err = c.readList(all, buf[:n]); done || err != nil {
			return all, err
		}
	}
}

// readList appends the sockets of one datagram, and says whether it is the last.
func (c *Conn) readList(all []Listed, b []byte) (_ []Listed, done bool, err error) {
	for len(b) >= messageHeader {
		m, err := parseMessage(b)
		if err != nil && (m.seq == c.seq || errors.Is(err, errMalformed)) {
			return all, false, err
		}
		b = b[min((messageHeader+len(m.body)+3)&^3, len(b)):]
		switch {
		case m.seq != c.seq: // an answer to an earlier question
		case m.kind == unix.NLMSG_DONE:
			return all, true, doneError(m.body)
		case m.kind == unix.SOCK_DIAG_BY_FAMILY:
			s, err := parseListed(m.body)
			if err != nil {
				return all, false, err
			}
			all = append(all, s)
		}
	}
	return all, false, nil
}

// doneError is the error with which a list has ended.
func doneError(body []byte) error {
	if len(body) >= 4 {
		if errno := int32(binary.NativeEndian.Uint32(body)); errno < 0 {
			return syscall.Errno(-errno)
		}
	}
	return nil
}
