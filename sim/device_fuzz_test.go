package sim_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net/netip"
	"testing"
	"time"

	"fivetuple/sim"
	"fivetuple/sim/netem"
	"fivetuple/sim/record"
	"fivetuple/sockapi"
	"fivetuple/stack"
	"fivetuple/trace"

	"github.com/stretchr/testify/require"
)

// The bits of FuzzDevice's first argument: how the world is that is sent to.
const (
	fuzzEthernet = 1 << iota
	fuzzPort     // a port with offloads, and one batch; else one packet at a time
	fuzzRepair   // checksums are made right: they would hide what is behind them
	fuzzImpaired
	fuzzRouter
	fuzzGateway // without Ethernet
)

// FuzzDevice: whatever enters at a device, as packets or as frames, alone or in
// a batch, whole or with work left to do, the world takes it without harm, and
// what it answers fits the link.
func FuzzDevice(f *testing.F) {
	for how := range byte(64) {
		f.Add(how, fuzzSeed(how))
	}
	f.Fuzz(func(t *testing.T, how byte, data []byte) {
		packets := fuzzPackets(data, how)
		if len(data) > 1<<16 || len(packets) == 0 {
			return
		}
		var isn uint32
		w, d := fuzzWorld(t, how, &isn)
		if how&fuzzPort == 0 {
			for _, p := range packets {
				fuzzMend(p.Data, how, isn)
				w.At(w.Now(), func() { d.Inject(p.Data) })
				require.NoError(t, w.Run(context.Background(), sim.Until(w.Now()+time.Millisecond)))
			}
		} else {
			var file bytes.Buffer
			rec, err := record.NewWriter(&file, record.Header{})
			require.NoError(t, err)
			for _, p := range packets {
				fuzzMend(p.Data, how, 0)
			}
			require.NoError(t, rec.Input(record.Input{Packets: packets}))
			require.NoError(t, rec.Flush())
			r, err := record.NewReader(&file)
			require.NoError(t, err)
			_, err = w.Replay(context.Background(), r, d)
			require.ErrorIs(t, err, record.ErrCut)
		}
		require.NoError(t, w.Run(context.Background(), sim.Until(w.Now()+3*time.Second)))
		for _, h := range w.Hosts() {
			h.Sockets()
		}
	})
}

// fuzzWorld is a host with a TCP and a UDP server behind a device, and somebody
// who listens to the trace. It notes the server's initial sequence number.
func fuzzWorld(t *testing.T, how byte, isn *uint32) (*sim.World, *sim.Device) {
	l := newLab(t, sim.Config{Seed: 7})
	h, err := l.AddHost(sim.HostConfig{Name: "h", Addrs: prefixes("10.0.0.2/24", "fd00::2/64"), Forwarding: how&(fuzzRouter|fuzzPort) == fuzzRouter,
		Gateway: how&fuzzGateway != 0})
	require.NoError(t, err)
	cfg := sim.DeviceConfig{Name: "ft0", Ethernet: how&fuzzEthernet != 0}
	most := 1500
	if cfg.Ethernet {
		cfg.Gateways = []netip.Addr{linuxAddr.Addr()}
		most += 14
	}
	if how&fuzzPort != 0 {
		most = 1 << 16
		cfg.Port, cfg.Offload, cfg.OffloadUDP = fuzzSink{t, most}, true, true
	} else {
		cfg.Write = func(b []byte) error {
			require.LessOrEqual(t, len(b), most)
			if s := trace.Decode(b, cfg.Ethernet); s.Flags == "S." {
				*isn = s.Seq
			}
			return nil
		}
	}
	if how&fuzzImpaired != 0 {
		cfg.In = netem.Config{Delay: ms, Jitter: 2 * ms, Duplicate: 0.3, Corrupt: 0.3, Reorder: 0.3}
		cfg.Out = netem.Config{Corrupt: 0.5, Rate: 1e8, Limit: 3}
	}
	d, err := h.AttachDevice(cfg)
	require.NoError(t, err)
	if how&(fuzzGateway|fuzzEthernet) == fuzzGateway {
		fuzzDivert(t, l.World, h.Stack().InterfaceNamed("eth0"))
	}
	serve(h, "tcp", func(p *sockapi.Proc) error {
		s := must(t)(p.Socket(sockapi.AF_INET6, sockapi.SOCK_STREAM, 0))
		require.NoError(t, errors.Join(p.Bind(s, netip.MustParseAddrPort("[::]:80")), p.Listen(s, 9)))
		for {
			c, _, err := p.Accept(s)
			if err != nil {
				continue
			}
			p.Go(func(p *sockapi.Proc) error {
				for b := []byte{0}; len(b) > 0 && err == nil; {
					if b, err = p.Recv(c, 2000, 0); err == nil {
						_, err = p.Send(c, b, sockapi.MSG_NOSIGNAL)
					}
				}
				_ = p.Close(c)
				return nil
			})
		}
	})
	serve(h, "udp", func(p *sockapi.Proc) error {
		fd := must(t)(p.Socket(sockapi.AF_INET6, sockapi.SOCK_DGRAM, 0))
		if err := p.Bind(fd, netip.MustParseAddrPort("[::]:53")); err != nil {
			return err
		}
		for {
			b, from, err := p.Recvfrom(fd, 2000, 0)
			if err == nil && from.Port() != 0 {
				_, _ = p.Sendto(fd, b, 0, from)
			}
		}
	})
	require.NoError(t, l.Run(context.Background(), sim.Until(0)))
	return l.World, d
}

// fuzzDivert takes what is for others: it discards what is damaged, refuses the
// one and readmits the other.
func fuzzDivert(t *testing.T, w *sim.World, i *stack.Interface) {
	require.NoError(t, i.Divert(func(a *stack.Arrival) stack.Ruling {
		if !a.Intact() {
			return stack.Ruling{Taken: true, Reason: "damaged"}
		}
		b := a.Packet.Bytes()
		if answer := stack.UnreachableFor(b, a.Dst.Addr(), stack.HostUnreachable); len(b)%3 == 0 && answer != nil {
			i.Transmit(answer)
			return stack.Ruling{Taken: true}
		}
		kept := a.Packet.Clone()
		w.At(w.Now(), func() { i.Readmit(kept) })
		return stack.Ruling{Taken: len(a.Payload()) >= 0}
	}))
}

// fuzzSink is a port that takes everything.
type fuzzSink struct {
	t    *testing.T
	most int
}

func (s fuzzSink) Receive(ps []stack.Packet, _ time.Duration) ([]stack.Packet, int, error) {
	return ps, 0, nil
}

func (s fuzzSink) Send(_ int, ps []stack.Packet) (int, error) {
	for _, p := range ps {
		require.LessOrEqual(s.t, len(p.Bytes()), s.most+14)
		p.Release()
	}
	return 0, nil
}
func (s fuzzSink) Wake() {}

// fuzzPackets takes data apart: of each packet its length (2 bytes), what is left
// to do to it (5 bytes), and the packet.
func fuzzPackets(data []byte, how byte) (out []record.Packet) {
	const head = 7
	for len(data) > head && len(out) < 64 {
		n := min(int(binary.BigEndian.Uint16(data)), len(data)-head)
		o := stack.Offload{NeedsChecksum: data[2]&1 != 0, Verified: data[2]&2 != 0, Segments: stack.SegmentType(data[2] >> 2),
			ChecksumStart: uint16(data[3]), ChecksumOffset: uint16(data[4]), SegmentSize: binary.BigEndian.Uint16(data[5:])}
		p := record.Packet{Data: bytes.Clone(data[head : head+n])}
		if o != (stack.Offload{}) {
			p.Meta, _ = json.Marshal(o)
		}
		out, data = append(out, p), data[head+n:]
	}
	return out
}

// fuzzMend makes a packet's acknowledgment number relative to the server's first
// number, and its checksums right.
func fuzzMend(b []byte, how byte, isn uint32) {
	if how&fuzzRepair == 0 {
		return
	}
	b = b[min(len(b), 14*int(how&fuzzEthernet)):]
	at := 20
	if len(b) > 0 && b[0]>>4 == 6 {
		at = 40
	}
	if len(b) >= at+20 && (b[9] == 6 || at == 40 && b[6] == 6) {
		binary.BigEndian.PutUint32(b[at+8:], binary.BigEndian.Uint32(b[at+8:])+isn)
	}
	repair(b)
}

// repair makes the checksums of an IP packet right, where headers are at their
// usual place.
func repair(b []byte) {
	var pseudo []byte
	var data []byte
	var proto byte
	switch {
	case len(b) >= 20 && b[0]>>4 == 4 && int(b[0]&15)*4 <= len(b) && b[0]&15 >= 5:
		head := b[:int(b[0]&15)*4]
		copy(b[10:12], []byte{0, 0})
		binary.BigEndian.PutUint16(b[10:], ^sum(head))
		if b[6]&0x3f != 0 || b[7] != 0 {
			return // a fragment
		}
		proto, pseudo, data = b[9], b[12:20], b[len(head):]
	case len(b) >= 40 && b[0]>>4 == 6:
		proto, pseudo, data = b[6], b[8:40], b[40:]
	default:
		return
	}
	at, known := map[byte]int{1: 2, 6: 16, 17: 6, 58: 2}[proto]
	if !known || len(data) < at+2 {
		return
	}
	if proto == 1 {
		pseudo = nil
	} else {
		pseudo = append(bytes.Clone(pseudo), 0, proto, byte(len(data)>>8), byte(len(data)))
	}
	copy(data[at:], []byte{0, 0})
	binary.BigEndian.PutUint16(data[at:], ^sum(append(pseudo, data...)))
}

// sum is the ones' complement sum of RFC 1071.
func sum(b []byte) uint16 {
	total := uint32(0)
	for i, c := range b {
		total += uint32(c) << (8 * (1 - i%2))
	}
	for total > 0xffff {
		total = total>>16 + total&0xffff
	}
	return uint16(total)
}

// fuzzSeed is a SYN, a datagram, two fragments of one, and an echo request, by
// IPv4 and by IPv6, and what Ethernet has besides.
func fuzzSeed(how byte) (data []byte) {
	add := func(kind uint16, b []byte) {
		if how&fuzzEthernet != 0 {
			b = append(append([]byte{2, 0, 0, 0, 1, 1, 2, 9, 9, 9, 9, 9}, byte(kind>>8), byte(kind)), b...)
		}
		data = binary.BigEndian.AppendUint16(data, uint16(len(b)))
		data = append(append(data, how&3, 0, 0, 0, 100), b...)
	}
	syn := append([]byte{0xc0, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, 2, 0xff, 0xff, 0, 0, 0, 0}, 2, 4, 5, 0xb4)
	udp := append([]byte{0xc0, 1, 0, 53, 0, 24, 0, 0}, "sixteen bytes...."[:16]...)
	echo := []byte{8, 0, 0, 0, 0, 7, 0, 1, 'p', 'i', 'n', 'g'}
	v4 := func(proto byte, frag uint16, b []byte) []byte {
		h := []byte{0x45, 0, 0, byte(20 + len(b)), 0, 1, byte(frag >> 8), byte(frag), 64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}
		return append(h, b...)
	}
	v6 := func(proto byte, b []byte) []byte {
		h := append([]byte{0x60, 0, 0, 0, 0, byte(len(b)), proto, 64}, netip.MustParseAddr("fd00::1").AsSlice()...)
		return append(append(h, netip.MustParseAddr("fd00::2").AsSlice()...), b...)
	}
	echo6 := bytes.Clone(echo)
	echo6[0] = 128
	seg := func(seq, flags byte, more string) []byte {
		return append([]byte{0xc0, 0, 0, 80, 0, 0, 0, seq, 0, 0, 0, 1, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0}, more...)
	}
	cut := v4(6, 0, syn) // for somebody else, with a header that is longer than the packet
	cut[19], cut[32] = 99, 0xf0
	add(0x0800, cut)
	add(0x0800, v4(6, 0, syn))
	add(0x0800, v4(17, 0, udp))
	add(0x0800, v4(17, 0x2000, udp[:8]))
	add(0x0800, v4(17, 1, udp[8:]))
	add(0x0800, v4(1, 0, echo))
	add(0x0800, v4(6, 0, seg(2, 0x10, "")))
	add(0x0800, v4(6, 0, seg(2, 0x18, "some data")))
	add(0x0800, v4(6, 0, seg(16, 0x10, "out of order")))
	add(0x0800, v4(6, 0, seg(11, 0x11, "")))
	add(0x86dd, v6(6, syn))
	add(0x86dd, v6(17, udp))
	add(0x86dd, v6(44, append([]byte{17, 0, 0, 1, 0, 0, 0, 9}, udp[:8]...)))
	add(0x86dd, v6(0, append([]byte{58, 0, 1, 4, 0, 0, 0, 0}, echo6...)))
	add(0x0806, append([]byte{0, 1, 8, 0, 6, 4, 0, 1, 2, 9, 9, 9, 9, 9, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0}, 10, 0, 0, 2))
	return data
}
