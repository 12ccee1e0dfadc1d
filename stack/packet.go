package stack

import (
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// Packet is one packet on its way between two interfaces: from the Ethernet
// header on an Ethernet interface, else from the IP header. It shares the
// sender's memory, so nothing is copied on the way; it is read-only.
//
// Each Packet is used up exactly once: by [Interface.Deliver] or by Release.
type Packet struct {
	pb  *stack.PacketBuffer
	off Offload
}

// NewPacket makes a packet of bytes, which it copies.
func NewPacket(data []byte) Packet {
	return Packet{pb: stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(data)})}
}

// NewOffloadPacket is NewPacket for one on which work is left to do.
func NewOffloadPacket(data []byte, o Offload) Packet {
	p := NewPacket(data)
	p.off = o
	return p
}

// Len is the packet's length in bytes.
func (p Packet) Len() int { return p.pb.Size() }

// Offload is what is left to do to the packet.
func (p Packet) Offload() Offload { return p.off }

// Bytes returns a copy of the packet, its checksum complete.
func (p Packet) Bytes() []byte { return p.AppendTo(make([]byte, 0, p.Len())) }

// AppendTo appends the packet's bytes to b, with the checksum complete.
func (p Packet) AppendTo(b []byte) []byte {
	start := len(b)
	buf := p.pb.ToBuffer()
	defer buf.Release()
	buf.Apply(func(v *buffer.View) { b = append(b, v.AsSlice()...) })
	p.off.complete(b[start:])
	return b
}

// AppendSlices appends the packet's memory to b, as Offload describes it. It
// is valid until the packet is used up, and read-only.
func (p Packet) AppendSlices(b [][]byte) [][]byte {
	views, skip := p.pb.AsViewList()
	for v := views.Front(); v != nil; v = v.Next() {
		if data := v.AsSlice(); skip < len(data) {
			b = append(b, data[skip:])
		}
		skip = max(0, skip-v.Size())
	}
	return b
}

// peek copies the packet's first bytes. Unlike netstack's PullUp, it never
// copies more than that.
func (p Packet) peek(b []byte) []byte {
	n := 0
	views, skip := p.pb.AsViewList()
	for v := views.Front(); v != nil && n < len(b); v = v.Next() {
		if data := v.AsSlice(); skip < len(data) {
			n += copy(b[n:], data[skip:])
		}
		skip = max(0, skip-v.Size())
	}
	return b[:n]
}

// linkLen is the length of the header in front of IP's.
func linkLen(ethernet bool) int {
	if ethernet {
		return header.EthernetMinimumSize
	}
	return 0
}

// network is what begins with an IP header, behind link bytes: the Ethernet
// header that announces it, or none. It is empty where there is something else.
func network(b []byte, link int) []byte {
	if link == 0 || len(b) <= link {
		return b[min(len(b), link):]
	}
	t, version := header.Ethernet(b).Type(), b[link]>>4
	if t == header.IPv4ProtocolNumber && version == 4 || t == header.IPv6ProtocolNumber && version == 6 {
		return b[link:]
	}
	return nil
}

// Clone returns a second packet with the same bytes.
func (p Packet) Clone() Packet { return Packet{pb: p.pb.CloneToInbound(), off: p.off} }

// Release gives up a packet that is not delivered.
func (p Packet) Release() { p.pb.DecRef() }
