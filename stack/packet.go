package stack

import (
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// Packet is one packet on its way between two interfaces: from the Ethernet
// header on an Ethernet interface, else from the IP header. It shares the
// sender's memory, so nothing is copied on the way; it is read-only.
//
// Each Packet is used up exactly once: by [Interface.Deliver] or by Release.
type Packet struct{ pb *stack.PacketBuffer }

// NewPacket makes a packet of bytes, which it copies.
func NewPacket(data []byte) Packet {
	return Packet{stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(data)})}
}

// Len is the packet's length in bytes.
func (p Packet) Len() int { return p.pb.Size() }

// Bytes returns a copy of the packet.
func (p Packet) Bytes() []byte { return p.AppendTo(make([]byte, 0, p.Len())) }

// AppendTo appends the packet's bytes to b.
func (p Packet) AppendTo(b []byte) []byte {
	buf := p.pb.ToBuffer()
	defer buf.Release()
	buf.Apply(func(v *buffer.View) { b = append(b, v.AsSlice()...) })
	return b
}

// Clone returns a second packet with the same bytes.
func (p Packet) Clone() Packet { return Packet{p.pb.CloneToInbound()} }

// Release gives up a packet that is not delivered.
func (p Packet) Release() { p.pb.DecRef() }
