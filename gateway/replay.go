package gateway

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"

	"fivetuple/sockapi"
)

// Recording has what the machine answered in a recorded run: [sim.Replayer].
type Recording interface {
	// Answer is what was answered to a question, valid until the next one; ok is
	// false if it was not asked then.
	Answer(question []byte) (answer []byte, ok bool)
	// Misfit is told of an answer that cannot be.
	Misfit(err error)
}

// NewReplayed makes a gateway that has no sockets: what the machine answered
// comes from a recording. It is made, attached and served where the recorded one
// was.
func NewReplayed(cfg Config, from Recording) *Gateway {
	h := &replayed{from: from, stop: func() {}}
	g := newGateway(cfg, h)
	h.stop = func() {
		for g.awake {
			g.p.Rest(sockapi.NoDeadline)
		}
	}
	return g
}

// replayed is the machine of a recording.
type replayed struct {
	from Recording
	ask  question
	none bool   // there was no answer, which the recording knows
	stop func() // in the thread it does not return: nothing more can be known
}

// answered asks. An answer that the recording does not have is empty.
func (r *replayed) answered() *answer {
	a, ok := r.from.Answer(r.ask)
	if r.none = !ok; r.none {
		r.stop()
	}
	return &answer{b: a}
}

// end checks that an answer was read to its end.
func (r *replayed) end(a *answer) {
	if !r.none && (a.bad || len(a.b) > 0) {
		r.from.Misfit(fmt.Errorf("the answer to %q cannot be read", r.ask))
		r.stop()
	}
}

// answer is an answer that is being read.
type answer struct {
	b   []byte
	bad bool
}

// number reads a number of at most most.
func (a *answer) number(most uint64) uint64 {
	v, n := binary.Uvarint(a.b)
	if n <= 0 || v > most {
		a.bad, a.b = true, nil
		return 0
	}
	a.b = a.b[n:]
	return v
}

// address reads an address among others.
func (a *answer) address() (out netip.AddrPort) {
	n := int(a.number(uint64(len(a.b))))
	if n > len(a.b) || out.UnmarshalBinary(a.b[:n]) != nil {
		a.bad, a.b = true, nil
		return netip.AddrPort{}
	}
	a.b = a.b[n:]
	return out
}

func (a *answer) error() error {
	if e := sockapi.Errno(a.number(math.MaxUint16)); e != 0 {
		return e
	}
	return nil
}

func (r *replayed) yes() bool {
	a := r.answered()
	yes := a.number(1) == 1
	r.end(a)
	return yes
}

func (r *replayed) failed() error {
	a := r.answered()
	err := a.error()
	r.end(a)
	return err
}

// counted is an answer that is a descriptor or a number of bytes, of at most most,
// or an error.
func (r *replayed) counted(most uint64) (int, error) {
	a := r.answered()
	err, n := a.error(), a.number(most)
	r.end(a)
	if err != nil {
		return -1, err
	}
	return int(n), nil
}

func (r *replayed) canPing(proto uint8) bool {
	r.ask.about("ping "+protoNames[proto], -1)
	return r.yes()
}

func (r *replayed) dial(proto uint8, to netip.AddrPort, _ int32) (int, error) {
	r.ask.dial(proto, to)
	return r.counted(math.MaxInt32)
}

func (r *replayed) pending(fd int) bool {
	r.ask.about("getpeername", fd)
	return r.yes()
}

func (r *replayed) name(fd int) (out netip.AddrPort) {
	r.ask.about("getsockname", fd)
	a := r.answered()
	a.bad = a.bad || out.UnmarshalBinary(a.b) != nil
	a.b = nil
	r.end(a)
	return out
}

func (r *replayed) failure(fd int) error {
	r.ask.about("getsockopt", fd)
	return r.failed()
}

func (r *replayed) read(fd int, b []byte) (int, error) {
	r.ask.about("read", fd).number(len(b))
	a := r.answered()
	err := a.error()
	n := copy(b, a.b)
	a.b = a.b[n:]
	r.end(a)
	if err != nil {
		return -1, err
	}
	return n, nil
}

func (r *replayed) write(fd int, b []byte) (int, error) {
	r.ask.about("write", fd).number(len(b))
	return r.counted(uint64(len(b)))
}

func (r *replayed) finish(fd int) error {
	r.ask.about("shutdown", fd)
	return r.failed()
}

func (r *replayed) listen(proto uint8, at netip.AddrPort, _ int32) (int, error) {
	r.ask.listen(proto, at)
	return r.counted(math.MaxInt32)
}

func (r *replayed) accept(fd int, _ int32) (int, netip.AddrPort, error) {
	r.ask.about("accept", fd)
	a := r.answered()
	err, conn, peer := a.error(), a.number(math.MaxInt32), a.address()
	r.end(a)
	if err != nil {
		return -1, peer, err
	}
	return int(conn), peer, nil
}

func (r *replayed) shed(fd int) bool {
	r.ask.about("shed", fd)
	return r.yes()
}

func (r *replayed) receive(fd int, _ netip.AddrPort, b []byte) (n int, from, to netip.AddrPort, err error) {
	r.ask.about("recvmsg", fd)
	a := r.answered()
	err, from, to = a.error(), a.address(), a.address()
	n = copy(b, a.b)
	a.b = a.b[n:]
	r.end(a)
	return n, from, to, err
}

func (r *replayed) send(fd int, _ netip.AddrPort, b []byte, _, _ netip.AddrPort) error {
	r.ask.about("sendmsg", fd).number(len(b))
	return r.failed()
}

func (r *replayed) take() (out []event) {
	r.ask.about("epoll_wait", -1)
	a := r.answered()
	for len(a.b) > 0 {
		out = append(out, event{int32(a.number(math.MaxInt32)), int32(a.number(math.MaxInt32)), uint32(a.number(math.MaxUint32))})
	}
	r.end(a)
	return out
}

// What has no answer is nobody's business.

func (r *replayed) reset(int)     {}
func (r *replayed) close(int)     {}
func (r *replayed) shut()         {}
func (r *replayed) pollFD() int   { return -1 }
func (r *replayed) ready() bool   { return false }
func (r *replayed) wait(int) bool { return false }
