package main

import (
	"encoding/binary"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The mirror is what a TUN device can do at best: one thread in a blocking read, and no
// stack at all. It makes each answer from the segment that it answers, and remembers
// nothing: a SYN is answered with a SYN-ACK, data with the same data, or with a
// page if it is for port 80. It loses no packet, has no timer, and checks no
// checksum. What is slower than it is so because of the device and the kernel's
// scheduler; only what remains can be a stack's.

// launchMirror starts the mirror, and gives Linux's end of its device its addresses.
func (l *lab) launchMirror(s *server, v variant) error {
	cmd := again("mirror", 0)
	cmd.Stderr = nil // part of the failure
	cmd.Args = []string{cmd.Path, s.device(), v.work.String()}
	if err := s.run(cmd); err != nil {
		return err
	}
	if err := s.awaitLink(s.device()); err != nil {
		return err
	}
	return configureLink(s.device(), s.here...)
}

// mirror answers until it is killed. It keeps its processor busy for the time of
// work before each answer, as a stack would.
func mirror(name, work string) error {
	busy, err := time.ParseDuration(work)
	if err != nil {
		return err
	}
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("/dev/net/tun: %w", err)
	}
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	in, out := make([]byte, 65536), make([]byte, 65536)
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&in[0])), uintptr(len(in)))
		switch {
		case errno == unix.EINTR:
			continue
		case errno != 0:
			return fmt.Errorf("read %s: %w", name, errno)
		}
		if busy > 0 {
			for end := time.Now().Add(busy); time.Now().Before(end); {
			}
		}
		if m := reflectSegment(out, in[:n]); m > 0 {
			_, _, errno = unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&out[0])), uintptr(m))
			if errno != 0 {
				return fmt.Errorf("write %s: %w", name, errno)
			}
		}
	}
}

// Of IPv4 without options, and TCP.
const (
	ipLen, tcpLen = 20, 20
	fin, syn, rst = 1, 2, 4
	psh, ack      = 8, 16
)

// mirrorPage is the answer to a request. It is as long as those of the services.
var mirrorPage = func() string {
	body := fmt.Sprintf("%-160s.\n", "No stack has seen this request: the answer was made from the segment")
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nServer: mirror\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: keep-alive\r\n\r\n%s", len(body), body)
}()

// reflectSegment writes the answer to a packet into out and returns its length, 0
// if there is none.
func reflectSegment(out, p []byte) int {
	if len(p) < ipLen+tcpLen || p[0] != 0x45 || p[9] != unix.IPPROTO_TCP {
		return 0
	}
	t := p[ipLen:]
	head := int(t[12]>>4) * 4
	if head < tcpLen || len(t) < head {
		return 0
	}
	data, flags := t[head:], t[13]
	reply, next := byte(ack), binary.BigEndian.Uint32(t[4:])+uint32(len(data))
	switch {
	case flags&rst != 0:
		return 0
	case flags&syn != 0:
		reply, next = syn|ack, next+1
	case flags&fin != 0:
		reply, next = fin|ack, next+1
	case len(data) == 0:
		return 0
	default:
		reply |= psh
	}
	if binary.BigEndian.Uint16(t[2:]) == 80 && len(data) > 0 {
		data = []byte(mirrorPage)
	}
	return segment(out, p, reply, next, data)
}

// segment makes the packet that goes back to the sender of p.
func segment(out, p []byte, flags byte, next uint32, data []byte) int {
	total := ipLen + tcpLen + len(data)
	out = out[:total]
	clear(out[:ipLen+tcpLen])
	out[0], out[8], out[9] = 0x45, 64, unix.IPPROTO_TCP
	binary.BigEndian.PutUint16(out[2:], uint16(total))
	copy(out[12:16], p[16:20])
	copy(out[16:20], p[12:16])
	binary.BigEndian.PutUint16(out[10:], ^sum(0, out[:ipLen]))
	t, from := out[ipLen:], p[ipLen:]
	copy(t[0:2], from[2:4])
	copy(t[2:4], from[0:2])
	copy(t[4:8], from[8:12]) // what the other end expects
	binary.BigEndian.PutUint32(t[8:], next)
	t[12], t[13] = tcpLen/4<<4, flags
	binary.BigEndian.PutUint16(t[14:], 65535)
	copy(t[tcpLen:], data)
	pseudo := uint32(unix.IPPROTO_TCP) + uint32(len(t))
	binary.BigEndian.PutUint16(t[16:], ^sum(uint32(sum(pseudo, out[12:20])), t))
	return total
}

// sum is the Internet checksum's sum (RFC 1071), which begins with start.
func sum(start uint32, b []byte) uint16 {
	for ; len(b) >= 2; b = b[2:] {
		start += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		start += uint32(b[0]) << 8
	}
	for start > 0xffff {
		start = start>>16 + start&0xffff
	}
	return uint16(start)
}
