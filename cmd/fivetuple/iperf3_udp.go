package main

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"time"

	"fivetuple/sockapi"
)

// This file is iperf3's UDP: all streams come to one socket, and each begins with
// a datagram of four bytes that is answered by the same four turned round. Data
// has a header: seconds and microseconds of its sending, and its number, which
// has 8 bytes if the client asks for that.

// iperfUDP is what is counted of a stream of datagrams (RFC 1889, A.8 has the
// jitter).
type iperfUDP struct {
	peer       netip.AddrPort
	packets    uint64 // the highest number that came, or how many were sent
	lost       int64
	jitter     float64 // seconds
	transit    float64 // of the last one, in seconds
	hasTransit bool
}

// Pacing of what the server sends: after so many datagrams, or when it is ahead of
// its rate, it lets the world go on.
const (
	iperfBurst = 64
	iperfRest  = 100 * time.Microsecond
)

// openUDP makes the socket at the address to which a test's control connection
// came, if there is none yet.
func (v *iperfServer) openUDP(s session, control int) error {
	at, err := s.Getsockname(control)
	if err != nil || slices.Contains(v.udp, at) {
		return err
	}
	family := sockapi.AF_INET
	if at.Addr().Is6() {
		family = sockapi.AF_INET6
	}
	fd, err := s.Socket(family, sockapi.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	if err := s.Bind(fd, at); err != nil {
		return errors.Join(err, s.Close(fd))
	}
	v.udp = append(v.udp, at)
	s.Go(func(p *sockapi.Proc) error { return v.serveUDP(session{p, s.epoch}, fd) })
	return nil
}

// serveUDP receives for whatever test there is.
func (v *iperfServer) serveUDP(s session, fd int) error {
	for {
		b, from, err := s.Recvfrom(fd, 65536, 0)
		if err != nil {
			continue // ECONNREFUSED: a client is gone
		}
		if t := v.test; t != nil && t.params.UDP {
			if err := t.take(s, fd, b, from); err != nil {
				return err
			}
		}
	}
}

// take is one datagram.
func (t *iperfTest) take(s session, fd int, b []byte, from netip.AddrPort) error {
	for _, st := range t.streams {
		if st.udp.peer == from {
			if !t.over && !st.send {
				st.count(b, s.wall(), t.params.Counters64 != 0)
			}
			return nil
		}
	}
	if len(b) != 4 || len(t.streams) >= t.wanted() {
		return nil
	}
	t.add(&iperfStream{fd: fd, udp: &iperfUDP{peer: from}})
	slices.Reverse(b)
	if _, err := s.Sendto(fd, b, 0, from); err != nil {
		return nil // the client is gone
	}
	return t.startIfAll(s)
}

// headerLen is the length of a datagram's header in bytes.
func (t *iperfTest) headerLen() int {
	if t.params.Counters64 != 0 {
		return 16
	}
	return 12
}

// count counts a datagram that came.
func (st *iperfStream) count(b []byte, now time.Time, wide bool) {
	u := st.udp
	st.bytes += uint64(len(b))
	if len(b) < 12 || wide && len(b) < 16 {
		return
	}
	number := uint64(binary.BigEndian.Uint32(b[8:]))
	if wide {
		number = binary.BigEndian.Uint64(b[8:])
	}
	switch {
	case number > u.packets:
		u.lost += int64(number - u.packets - 1)
		u.packets = number
	case u.lost > 0:
		u.lost-- // it was late, and counted as lost
	}
	sent := time.Unix(int64(binary.BigEndian.Uint32(b)), int64(binary.BigEndian.Uint32(b[4:]))*1000)
	transit := now.Sub(sent).Seconds()
	if u.hasTransit {
		d := transit - u.transit
		if d < 0 {
			d = -d
		}
		u.jitter += (d - u.jitter) / 16
	}
	u.transit, u.hasTransit = transit, true
}

// spray sends datagrams at the test's rate until it is over.
func (t *iperfTest) spray(s session, st *iperfStream) {
	data := make([]byte, max(t.params.Len, t.headerLen()))
	gap := time.Duration(0) // between two
	if t.params.Bandwidth > 0 {
		gap = time.Duration(float64(len(data)*8) / float64(t.params.Bandwidth) * 1e9)
	}
	next := s.Now()
	for burst := 1; !t.over; burst++ {
		st.udp.packets++
		now := s.wall()
		binary.BigEndian.PutUint32(data, uint32(now.Unix()))
		binary.BigEndian.PutUint32(data[4:], uint32(now.Nanosecond()/1000))
		if t.params.Counters64 != 0 {
			binary.BigEndian.PutUint64(data[8:], st.udp.packets)
		} else {
			binary.BigEndian.PutUint32(data[8:], uint32(st.udp.packets))
		}
		if n, err := s.Sendto(st.fd, data, 0, st.udp.peer); err == nil {
			st.bytes += uint64(n)
		}
		switch next += gap; {
		case next > s.Now():
			s.Sleep(next - s.Now())
			burst = 0
		case burst >= iperfBurst:
			s.Sleep(iperfRest)
			burst = 0
		}
	}
}
