// Package pcapng writes the packets of a run as pcapng captures, for
// Wireshark, tshark and tcpdump.
//
// Main types:
//
//	Writer  the whole world in one file: each packet once, at its sender
//	Dir     a file for each host: what tcpdump on that host would have seen
//	Config  where time starts and what the section header says
//
// Both are [trace.Sink] and belong to the goroutine that runs the world's
// loop. They sit on package trace alone, and read neither a clock nor the
// machine, so equal runs give equal bytes everywhere. The few blocks needed
// are written by hand (block.go): gopacket's pcapgo cannot write a section
// without an interface, does not keep blocks whole when a disk fills up, and
// links all of gopacket/layers, 3 to 4 MB, into each binary.
//
// Sharp edges: blocks are buffered, so a live run calls Flush when somebody
// wants to look. Wireshark reads a file with both IP and Ethernet links;
// libpcap, and so tcpdump, wants one link type in a file. The conventions are
// described in docs/trace-format.md.
package pcapng

import (
	"fmt"
	"io"
	"time"

	"fivetuple/trace"
)

// Config says how captures are written. The zero Config is ready for use.
type Config struct {
	// Epoch is the moment at which the run starts: an event's timestamp is
	// Epoch plus its At, in nanoseconds. The zero Epoch is the Unix epoch. An
	// Epoch that 64 bits of nanoseconds cannot hold, before 1970 or after
	// 2261, is refused.
	Epoch time.Time
	// Comment describes the run in the section header: "handshake, seed 7".
	// Empty means no comment.
	Comment string
}

// epochNanos is Epoch in nanoseconds since 1970.
func (c Config) epochNanos() (uint64, error) {
	if c.Epoch.IsZero() {
		return 0, nil
	}
	// time.Time.UnixNano is undefined from some day in 2262 on.
	if y := c.Epoch.UTC().Year(); y < 1970 || y > 2261 {
		return 0, fmt.Errorf("pcapng: epoch %s is not between 1970 and 2261", c.Epoch.UTC().Format(time.RFC3339))
	}
	return uint64(c.Epoch.UnixNano()), nil
}

// Writer is a sink that writes every packet of a world once, on the interface
// of its sender: when it was sent, or dropped instead. Deliveries are left
// out. Its first error is final: the call that met it returns it, later ones
// write nothing and return it again, and Close does not repeat it.
type Writer struct {
	c *capture
}

var _ trace.Sink = (*Writer)(nil)

// New returns a Writer to w. Its errors are prefixed with w's name if it has
// a Name method, as an *os.File has. Close does not close w. The error is that
// of a Config that cannot be honoured.
//
// If a write fails and w can seek and be truncated, as a regular file can, w
// is cut back to its last whole block, and so remains a valid capture.
func New(w io.Writer, cfg Config) (*Writer, error) {
	epoch, err := cfg.epochNanos()
	if err != nil {
		return nil, err
	}
	name := "capture"
	if n, ok := w.(interface{ Name() string }); ok {
		name = n.Name()
	}
	return &Writer{c: newCapture(w, name, epoch, cfg.Comment)}, nil
}

// Event writes a packet that was sent or dropped and ignores all else.
func (w *Writer) Event(ev *trace.Event) error {
	p, ok := ev.Body.(*trace.Packet)
	if !ok || p.What != trace.Dropped && (p.What != trace.Sent || p.Forwarded) {
		return w.c.out.err
	}
	return w.c.packet(ev, p)
}

// Flush hands everything seen so far to the underlying writer.
func (w *Writer) Flush() error { return w.c.out.flush() }

// Close flushes. The writer given to New stays open.
func (w *Writer) Close() error { return w.c.out.close() }

// capture is one pcapng file: a section and its interfaces, which are added
// when their first packet comes.
type capture struct {
	out    blockWriter
	epoch  uint64 // nanoseconds since 1970
	ifaces map[linkEnd]uint32
}

// linkEnd is what an interface block stands for.
type linkEnd struct {
	host, iface string
	ethernet    bool
}

func newCapture(w io.Writer, name string, epoch uint64, comment string) *capture {
	c := &capture{out: blockWriter{w: w, name: name}, epoch: epoch, ifaces: make(map[linkEnd]uint32)}
	c.out.buf = appendSection(c.out.buf, comment)
	return c
}

func (c *capture) packet(ev *trace.Event, p *trace.Packet) error {
	if c.out.err != nil {
		return c.out.err
	}
	end := linkEnd{ev.Host, p.Iface, p.Ethernet}
	id, ok := c.ifaces[end]
	if !ok {
		id = uint32(len(c.ifaces))
		c.ifaces[end] = id
		c.out.buf = appendInterface(c.out.buf, end.host+":"+end.iface, end.ethernet)
	}
	c.out.buf = appendPacket(c.out.buf, packetBlock{
		iface:   id,
		nanos:   c.epoch + uint64(ev.At),
		data:    p.Data,
		comment: comment(ev, p),
		inbound: p.What == trace.Delivered,
		num:     p.Num,
	})
	return c.out.added()
}
