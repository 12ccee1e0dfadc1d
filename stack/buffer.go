package stack

import (
	"fmt"
	"reflect"

	"gvisor.dev/gvisor/pkg/atomicbitops"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// Buffer is memory that a device reads one packet into: [Buffer.Packet] makes
// it a packet without copying, unless it is a small one.
//
// The headers are in a piece of their own: whenever netstack looks at headers in
// memory that is shared, it copies the whole piece.
//
// The zero value is ready; one of [Buffers] is cheaper.
type Buffer struct {
	pool       *Buffers
	head, rest *buffer.View
	slices     [2][]byte
}

// bufferHead holds the headers of a TCP packet with all options; bufferSize
// holds every super-packet. copyBelow is the length from which on a packet is
// worth so much memory while it waits to be received.
const (
	bufferHead = 128
	bufferSize = buffer.MaxChunkSize
	copyBelow  = 8 << 10
)

// Slices is where the device writes, in this order. They are valid until Packet
// is called.
func (b *Buffer) Slices() [][]byte {
	if b.head == nil {
		b.head = buffer.NewViewSize(bufferHead)
		b.slices[0] = b.head.AsSlice()
	}
	if b.rest == nil {
		b.rest = b.pool.view()
		b.slices[1] = b.rest.AsSlice()
	}
	return b.slices[:]
}

// Packet makes a packet of the first n bytes.
func (b *Buffer) Packet(n int, o Offload) Packet {
	head := b.head
	b.head = nil
	head.CapLength(n)
	data := buffer.MakeWithView(head)
	switch n -= bufferHead; {
	case n <= 0:
	case n < copyBelow:
		rest := buffer.MakeWithData(b.slices[1][:n])
		data.Merge(&rest)
	default:
		b.rest.CapLength(n)
		rest := buffer.MakeWithView(b.rest)
		b.rest = nil
		data.Merge(&rest)
	}
	return Packet{pb: stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: data}), off: o}
}

// Buffers keeps the memory of its buffers for use again: netstack clears the
// memory of its own pool, 64 KiB for each packet.
type Buffers struct{ kept []keptView }

// keptView is a view with the count of those that share its memory.
type keptView struct {
	view  *buffer.View
	count *atomicbitops.Int64
}

// maxKept is how much is kept: 64 views are 4 MiB.
const maxKept = 64

// New makes a buffer that shares the memory.
func (p *Buffers) New() Buffer { return Buffer{pool: p} }

// view returns a view of bufferSize bytes, one that nobody else has any more if
// there is one. The first are preferred: the processor's cache may have them.
func (p *Buffers) view() *buffer.View {
	if p == nil {
		return buffer.NewViewSize(bufferSize)
	}
	for _, k := range p.kept {
		if k.count.Load() == 1 {
			return k.view.Clone()
		}
	}
	v := buffer.NewViewSize(bufferSize)
	if len(p.kept) < maxKept {
		p.kept = append(p.kept, keptView{v.Clone(), references(v)})
	}
	return v
}

// references is the count of the views that share the memory of v. netstack has
// no call for it, and reflection is too slow to ask it for each packet: it finds
// the place once.
func references(v *buffer.View) *atomicbitops.Int64 {
	count := mustField(mustField(reflect.ValueOf(v).Elem(), "chunk").Elem(), "refCount")
	if count.Type() != reflect.TypeFor[atomicbitops.Int64]() {
		panic(fmt.Sprintf("stack: gVisor's buffers count references in a %s", count.Type()))
	}
	return (*atomicbitops.Int64)(count.Addr().UnsafePointer())
}

// mustField panics if this version of gVisor is not the one that go.mod names.
func mustField(v reflect.Value, name string) reflect.Value {
	f := v.FieldByName(name)
	if !f.IsValid() {
		panic(fmt.Sprintf("stack: gVisor's %s has no field %s any more", v.Type(), name))
	}
	return f
}
