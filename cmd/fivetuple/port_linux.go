package main

import (
	"time"

	"fivetuple/stack"
	"fivetuple/tun"
)

// batchSize is how many packets are read from the device at one instant.
const batchSize = 64

// port lets the world's loop read and write a TUN device: [sim.Port]. Packets
// are read into the stack's memory and written from it.
type port struct {
	dev     tun.Device
	pool    stack.Buffers
	buffers []stack.Buffer
	in      []tun.Packet
	out     []tun.Packet
	slices  [][]byte // of out
}

func newPort(dev tun.Device) *port {
	p := &port{dev: dev, buffers: make([]stack.Buffer, batchSize), in: make([]tun.Packet, batchSize)}
	for i := range p.in {
		p.buffers[i] = p.pool.New()
		p.in[i].Data = p.buffers[i].Slices()
	}
	return p
}

// Receive implements [sim.Port].
func (p *port) Receive(ps []stack.Packet, timeout time.Duration) ([]stack.Packet, error) {
	n, err := p.dev.ReadBatch(p.in, timeout)
	for i := range p.in[:n] {
		in := &p.in[i]
		ps = append(ps, p.buffers[i].Packet(in.Len, stack.Offload{
			NeedsChecksum: in.NeedsChecksum, Verified: in.Verified, Segments: stack.SegmentType(in.Segments),
			ChecksumStart: in.ChecksumStart, ChecksumOffset: in.ChecksumOffset,
			SegmentSize: in.SegmentSize, HeaderLen: in.HeaderLen,
		}))
		in.Data = p.buffers[i].Slices()
	}
	return ps, err
}

// Send implements [sim.Port].
func (p *port) Send(ps []stack.Packet) (lost int, err error) {
	p.out, p.slices = p.out[:0], p.slices[:0]
	for _, pkt := range ps {
		first, o := len(p.slices), pkt.Offload()
		p.slices = pkt.AppendSlices(p.slices)
		p.out = append(p.out, tun.Packet{Data: p.slices[first:], Offload: tun.Offload{
			NeedsChecksum: o.NeedsChecksum, Segments: tun.SegmentType(o.Segments),
			ChecksumStart: o.ChecksumStart, ChecksumOffset: o.ChecksumOffset,
			SegmentSize: o.SegmentSize, HeaderLen: o.HeaderLen,
		}})
	}
	lost, err = p.dev.WriteBatch(p.out)
	for _, pkt := range ps {
		pkt.Release()
	}
	clear(p.slices)
	return lost, err
}

// Wake implements [sim.Port].
func (p *port) Wake() { p.dev.Wake() }
