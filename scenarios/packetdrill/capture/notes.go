package capture

import (
	"fmt"
	"path/filepath"
	"time"
)

// counts are what a reader of the script must know.
type counts struct {
	again, gaps, large [2]int
}

// received is what has come in order, and the pieces beyond it.
type received struct {
	next   uint32
	pieces [][2]uint32
}

// add takes in a piece and returns how many bytes have become readable.
func (r *received) add(from, to uint32) int {
	if int32(to-from) <= 0 {
		return 0
	}
	r.pieces = append(r.pieces, [2]uint32{from, to})
	start := r.next
	for moved := true; moved; {
		moved = false
		keep := r.pieces[:0]
		for _, p := range r.pieces {
			switch {
			case int32(p[1]-r.next) <= 0:
			case int32(p[0]-r.next) <= 0:
				r.next, moved = p[1], true
			default:
				keep = append(keep, p)
			}
		}
		r.pieces = keep
	}
	return int(r.next - start)
}

// remark counts retransmissions and gaps, and comments on what is missing.
func (b *builder) remark(st *step) {
	who := st.who()
	span := st.span()
	if span == 0 || st.has(flagRST) || !b.have[who] {
		return
	}
	start, nxt := b.rel(st), b.seen[who]
	end := start + span
	switch {
	case int32(start-nxt) > 0:
		b.counts.gaps[who]++
		if who == own {
			b.missing = fmt.Errorf("packet %d: bytes %d to %d, which the %s sent before it, are not in the capture: it has lost them, or was taken behind a loss; take one at the %s, or stop before with --packets", st.num, nxt, start, b.v.side, b.v.side)
		}
	case int32(end-nxt) <= 0 && st.size == 1 && b.keepalive != nil:
	case int32(end-nxt) <= 0:
		b.counts.again[who]++
	}
	if st.out && st.size > b.fullSize(b.v, &step{packet: &packet{}}) {
		b.counts.large[own]++
	}
	if int32(end-nxt) > 0 {
		b.seen[who] = end
	}
}

// notes are the lines at the head of the script.
func (b *builder) notes() []string {
	v := b.v
	lines := []string{
		fmt.Sprintf("From %s, stream %d: %s (client) and %s (server).", filepath.Base(b.o.Name), v.Num, v.Client, v.Server),
		fmt.Sprintf("%s, %s: %s", v.Start.UTC().Format("2006-01-02 15:04:05.000000 UTC"), seconds(v.Duration), packets(v.Stream)),
		fmt.Sprintf("The host under test is the %s: %s.", v.side, v.why),
		fmt.Sprintf("Handshake %s; %s.", v.Handshake(), v.End()),
	}
	lines = append(lines, b.times()...)
	names := [2]string{v.side.String(), (3 - v.side).String()}
	for who, name := range names {
		if n := b.counts.again[who]; n > 0 {
			lines = append(lines, fmt.Sprintf("The %s sent %s again.", name, plural(n, "segment")))
		}
	}
	if n := b.counts.gaps[peer]; n > 0 {
		lines = append(lines, fmt.Sprintf("Came after a gap, for what is before it was lost or is late: %s of the %s.", plural(n, "segment"), names[peer]))
	}
	if n := b.counts.large[peer]; n > 0 {
		lines = append(lines, fmt.Sprintf("Larger than the MSS, put together where they were captured, and here in pieces: %s of the %s.", plural(n, "segment"), names[peer]))
	}
	if n := b.counts.large[own]; n > 0 {
		lines = append(lines, fmt.Sprintf("Larger than the MSS, not yet cut up where they were captured: %s of the %s.", plural(n, "segment"), names[own]))
	}
	if v.ignored > 0 {
		lines = append(lines, fmt.Sprintf("Left out, since it was not answered before it came again (a full backlog, or a lost answer): %s.", plural(v.ignored, "SYN")))
	}
	if v.lost > 0 {
		lines = append(lines, fmt.Sprintf("Did not arrive, and left out: %s of the %s.", plural(v.lost, "packet"), names[peer]))
	}
	if v.doubles > 0 {
		lines = append(lines, fmt.Sprintf("Twice in the capture, seen at two places, and once here: %s.", plural(v.doubles, "packet")))
	}
	if f := v.file; f.Cut > 0 || f.Fragments > 0 {
		lines = append(lines, fmt.Sprintf("Not read, and some may belong here: %s, cut within their headers, and %s of IP packets.", plural(f.Cut, "packet"), plural(f.Fragments, "fragment")))
	}
	if b.cutShort > 0 {
		lines = append(lines, fmt.Sprintf("Left out at the end, as asked: %s.", plural(b.cutShort, "packet")))
	}
	if b.heldBack && !b.o.Strict {
		lines = append(lines, "Some segments were not acknowledged one by one and at once: --allow=acks lets the stack do so.")
	}
	return lines
}

// times says what was done to the times.
func (b *builder) times() []string {
	v := b.v
	switch {
	case v.merged:
		return []string{fmt.Sprintf("The capture has the times at which each side sent. A packet is taken to come %s later, as long as the", seconds(v.later)),
			"handshake's took; a capture at this host (--pcap-dir) has the exact times."}
	case v.later > 0:
		return []string{fmt.Sprintf("The capture was taken %s away from this host, there and back: times and order are what they must have been at it.", seconds(v.later+v.earlier))}
	}
	return nil
}

func packets(s *Stream) string {
	return fmt.Sprintf("%s, %d bytes to the server, %d to the client.", plural(s.Packets(), "packet"), s.ToServer, s.ToClient)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func seconds(d time.Duration) string {
	return d.Round(time.Microsecond).String()
}
