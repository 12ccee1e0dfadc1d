package gateway

import "math/bits"

// Sizes of what a direction of a TCP flow reads at a time: it starts small, and
// grows while what is read fills it.
const (
	minBuffer = 4 << 10
	maxBuffer = 256 << 10
)

// buffers are those of bytes that could not be passed on at once. A flow
// without such bytes has none.
type buffers struct {
	free [7][][]byte // by size: 4, 8, ... 256 KiB
}

// maxFree is how many buffers of one size are kept.
const maxFree = 16

func class(n int) int { return bits.Len(uint(max(n, minBuffer)-1)) - bits.Len(uint(minBuffer-1)) }

// keep copies b, of at most maxBuffer bytes.
func (p *buffers) keep(b []byte) []byte {
	c := class(len(b))
	if n := len(p.free[c]); n > 0 {
		kept := p.free[c][n-1]
		p.free[c] = p.free[c][:n-1]
		return append(kept[:0], b...)
	}
	return append(make([]byte, 0, minBuffer<<c), b...)
}

// release takes back what keep has returned.
func (p *buffers) release(b []byte) {
	if c := class(cap(b)); len(p.free[c]) < maxFree {
		p.free[c] = append(p.free[c], b[:0])
	}
}

// direction is one direction of a TCP flow.
type direction struct {
	size int    // of the next read
	kept []byte // the buffer of rest; nil: none
	rest []byte // what the other side has had no room for
	wait bool   // the machine's socket is not ready, and epoll will say when it is
	eof  bool   // the sender has sent its FIN
	done bool   // and so have we
}

// room is how much to read.
func (d *direction) room() int { return max(d.size, minBuffer) }

// filled notes that n bytes were read.
func (d *direction) filled(n int) {
	if n == d.room() {
		d.size = min(4*n, maxBuffer)
	}
}

// hold keeps what the other side had no room for.
func (d *direction) hold(p *buffers, b []byte) {
	if len(b) > 0 {
		d.kept = p.keep(b)
		d.rest = d.kept
	}
}

// passed notes that n bytes of rest were passed on.
func (d *direction) passed(p *buffers, n int) {
	if d.rest = d.rest[n:]; len(d.rest) == 0 {
		d.drop(p)
	}
}

// drop forgets rest.
func (d *direction) drop(p *buffers) {
	if d.kept != nil {
		p.release(d.kept)
	}
	d.kept, d.rest = nil, nil
}
