package pktlinux

import (
	"encoding/binary"
	"errors"
	"time"

	"fivetuple/scenarios/packetdrill"

	"golang.org/x/sys/unix"
)

// What a packet socket gets for each packet: a struct virtio_net_hdr, and at
// most 64 KiB and headers.
const (
	vnetHeader  = 10
	longest     = 1 << 17
	queuedBytes = 16 << 20
)

// capture starts to note what the host sends, with the kernel's own time for
// each packet, so that no scheduler's delay is in it. A packet socket sees a
// packet as it goes to the device: packet(7).
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
	t.buf, t.oob = make([]byte, longest), make([]byte, 256)
	return errors.Join(
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: l.Attrs().Index}),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, queuedBytes),
	)
}

// drain tells of the packets that have been sent, and empties the device.
func (t *Target) drain() {
	for {
		n, oobn, _, from, err := unix.Recvmsg(t.sniffer, t.buf, t.oob, 0)
		if err != nil {
			break
		}
		ll, ok := from.(*unix.SockaddrLinklayer)
		if !ok || ll.Pkttype != unix.PACKET_OUTGOING || n < vnetHeader {
			continue
		}
		p := packetdrill.Sent{At: stamp(t.oob[:oobn]).Sub(t.zero), Bytes: append([]byte(nil), t.buf[vnetHeader:n]...)}
		if t.buf[1] != unix.VIRTIO_NET_HDR_GSO_NONE {
			p.Segment = int(binary.NativeEndian.Uint16(t.buf[4:]))
		}
		if p.At >= 0 {
			t.sent(p)
		}
	}
	for {
		if _, err := unix.Read(t.tunFD, t.buf); err != nil {
			return
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

// poll waits for a packet of the host, if packets says so, for what a thread
// posts, or for a time: in the kernel, so that it wakes exactly.
func (t *Target) poll(d time.Duration, packets bool) {
	fds := []unix.PollFd{{Fd: int32(t.wake), Events: unix.POLLIN}, {Fd: int32(t.sniffer), Events: unix.POLLIN}}
	if !packets {
		fds = fds[:1]
	}
	ts := unix.NsecToTimespec(int64(max(d, 0)))
	begun := t.Now()
	defer func() { t.stall(t.Now() - begun - d) }()
	if n, err := unix.Ppoll(fds, &ts, nil); n > 0 && err == nil && fds[0].Revents != 0 {
		_, _ = unix.Read(t.wake, t.buf[:8])
	}
}

// Inject writes a packet to the device: the host gets it before this returns.
func (t *Target) Inject(packet []byte) error {
	_, err := unix.Write(t.tunFD, packet)
	return err
}
