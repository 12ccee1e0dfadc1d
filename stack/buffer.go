package stack

import (
	"fmt"
	"reflect"

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
type Buffers struct{ kept []*buffer.View }

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
	for _, v := range p.kept {
		if references(v) == 1 {
			return v.Clone()
		}
	}
	v := buffer.NewViewSize(bufferSize)
	if len(p.kept) < maxKept {
		p.kept = append(p.kept, v.Clone())
	}
	return v
}

// references counts the views that share the memory of v. netstack has no call
// for it; it is read by reflection, while the worker is paused.
func references(v *buffer.View) int64 {
	return reflect.ValueOf(v).Elem().FieldByIndex(viewChunk).Elem().FieldByIndex(chunkCount).Int()
}

var viewChunk, chunkCount = func() (view, count []int) {
	f := mustField(reflect.TypeFor[buffer.View](), "chunk")
	view = f.Index
	t := f.Type.Elem()
	for _, name := range []string{"refCount", "value"} {
		f := mustField(t, name)
		count, t = append(count, f.Index...), f.Type
	}
	return view, count
}()

// mustField panics if this version of gVisor is not the one that go.mod names.
func mustField(t reflect.Type, name string) reflect.StructField {
	f, ok := t.FieldByName(name)
	if !ok {
		panic(fmt.Sprintf("stack: gVisor's %s has no field %s any more", t, name))
	}
	return f
}
