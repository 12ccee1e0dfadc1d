package pktlinux

import (
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// What a packet socket gets for each packet: at most 64 KiB and headers.
const (
	longest     = 1 << 17
	queuedBytes = 16 << 20
)

// capture starts to note what the host sends, with the kernel's own time for
// each packet, so that no scheduler's delay is in it; and empties the device.
// A packet socket sees a packet as it goes to the device: packet(7).
func (t *Target) capture() error {
	l, err := link()
	if err != nil {
		return err
	}
	const all = unix.ETH_P_ALL << 8 // in the network's order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, all)
	if err != nil {
		return err
	}
	t.sniffer = fd
	err = errors.Join(
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: l.Attrs().Index}),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, queuedBytes),
	)
	if err != nil {
		return err
	}
	if t.stop, err = unix.Eventfd(0, unix.EFD_CLOEXEC); err != nil {
		return err
	}
	t.ended = make(chan struct{})
	go func() {
		_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{t.tun}, make([]byte, longest))
	}()
	go t.sniff()
	return nil
}

// sniff reads the packet socket until the run is over.
func (t *Target) sniff() {
	runtime.LockOSThread()
	nice()
	defer close(t.ended)
	b, oob := make([]byte, longest), make([]byte, 256)
	for {
		fds := []unix.PollFd{{Fd: int32(t.sniffer), Events: unix.POLLIN}, {Fd: int32(t.stop), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err != nil && !errors.Is(err, unix.EINTR) || fds[1].Revents != 0 {
			return
		}
		for {
			n, oobn, _, from, err := unix.Recvmsg(t.sniffer, b, oob, 0)
			if err != nil {
				break
			}
			if ll, ok := from.(*unix.SockaddrLinklayer); ok && ll.Pkttype == unix.PACKET_OUTGOING {
				t.packets <- captured{at: stamp(oob[:oobn]), bytes: append([]byte(nil), b[:n]...)}
			}
		}
	}
}

// stamp is the time in the control messages of a packet, on the clock that has
// no steps. It is the wall clock's, and a moment ago.
func stamp(oob []byte) time.Time {
	now := time.Now()
	list, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return now
	}
	for _, m := range list {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) >= 16 {
			sec, ns := binary.NativeEndian.Uint64(m.Data), binary.NativeEndian.Uint64(m.Data[8:])
			return now.Add(time.Unix(int64(sec), int64(ns)).Sub(now.Round(0)))
		}
	}
	return now
}

// Inject writes a packet to the device: the host gets it before this returns.
func (t *Target) Inject(packet []byte) error {
	_, err := t.tun.Write(packet)
	return err
}
