package main

import (
	"time"

	"fivetuple/stack"
	"fivetuple/tun"
)

// batchSize is how many packets are read from a device at one instant.
const batchSize = 64

// port lets the world's loop read and write the session's devices: [sim.Port].
// Packets are read into the stack's memory and written from it.
type port struct {
	lines []portLine
	devs  []tun.Device // of the lines
	next  int          // the line that is asked first
}

// portLine is one device.
type portLine struct {
	dev     tun.Device
	pool    stack.Buffers
	buffers []stack.Buffer
	in      []tun.Packet
	out     []tun.Packet
	slices  [][]byte // of out
}

func newPort(devs []tun.Device) *port {
	p := &port{devs: devs, lines: make([]portLine, len(devs))}
	for n := range p.lines {
		l := &p.lines[n]
		*l = portLine{dev: devs[n], buffers: make([]stack.Buffer, batchSize), in: make([]tun.Packet, batchSize)}
		for i := range l.in {
			l.buffers[i] = l.pool.New()
			l.in[i].Data = l.buffers[i].Slices()
		}
	}
	return p
}

// Receive implements [sim.Port]. The lines take turns.
func (p *port) Receive(ps []stack.Packet, timeout time.Duration) ([]stack.Packet, int, error) {
	if len(p.lines) == 1 {
		ps, err := p.lines[0].receive(ps, timeout)
		return ps, 0, err
	}
	ps, line, err := p.poll(ps)
	if len(ps) > 0 || err != nil || timeout == 0 {
		return ps, line, err
	}
	if err := tun.Await(p.devs, timeout); err != nil {
		return ps, line, err
	}
	return p.poll(ps)
}

// poll takes what is there on the first line that has something.
func (p *port) poll(ps []stack.Packet) ([]stack.Packet, int, error) {
	for range p.lines {
		line := p.next
		p.next = (p.next + 1) % len(p.lines)
		in, err := p.lines[line].receive(ps, 0)
		if len(in) > 0 || err != nil {
			return in, line, err
		}
	}
	return ps, 0, nil
}

func (l *portLine) receive(ps []stack.Packet, timeout time.Duration) ([]stack.Packet, error) {
	n, err := l.dev.ReadBatch(l.in, timeout)
	for i := range l.in[:n] {
		in := &l.in[i]
		ps = append(ps, l.buffers[i].Packet(in.Len, stack.Offload{
			NeedsChecksum: in.NeedsChecksum, Verified: in.Verified, Segments: stack.SegmentType(in.Segments),
			ChecksumStart: in.ChecksumStart, ChecksumOffset: in.ChecksumOffset,
			SegmentSize: in.SegmentSize, HeaderLen: in.HeaderLen,
		}))
		in.Data = l.buffers[i].Slices()
	}
	return ps, err
}

// Send implements [sim.Port].
func (p *port) Send(line int, ps []stack.Packet) (lost int, err error) {
	l := &p.lines[line]
	l.out, l.slices = l.out[:0], l.slices[:0]
	for _, pkt := range ps {
		first, o := len(l.slices), pkt.Offload()
		l.slices = pkt.AppendSlices(l.slices)
		l.out = append(l.out, tun.Packet{Data: l.slices[first:], Offload: tun.Offload{
			NeedsChecksum: o.NeedsChecksum, Segments: tun.SegmentType(o.Segments),
			ChecksumStart: o.ChecksumStart, ChecksumOffset: o.ChecksumOffset,
			SegmentSize: o.SegmentSize, HeaderLen: o.HeaderLen,
		}})
	}
	lost, err = l.dev.WriteBatch(l.out)
	for _, pkt := range ps {
		pkt.Release()
	}
	clear(l.slices)
	return lost, err
}

// Wake implements [sim.Port].
func (p *port) Wake() { p.devs[0].Wake() }
