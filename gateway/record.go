package gateway

import (
	"encoding/binary"
	"net/netip"
	"strconv"

	"fivetuple/sockapi"
)

// Recorder takes down what the machine has answered: [sim.World].
type Recorder interface {
	// Answered is told a question, which is short text, and its answer. It keeps
	// neither.
	Answered(question, answer []byte)
}

// recorded is a machine whose answers are taken down, in the order in which it is
// asked.
type recorded struct {
	host
	to     Recorder
	ask    question
	answer []byte
}

// question is what a machine is asked, as text: "read 7 4096".
type question []byte

// about begins a question about a socket, or with fd -1 about none.
func (q *question) about(call string, fd int) *question {
	*q = append((*q)[:0], call...)
	if fd >= 0 {
		q.number(fd)
	}
	return q
}

func (q *question) number(n int) *question {
	*q = strconv.AppendInt(append(*q, ' '), int64(n), 10)
	return q
}

func (q *question) dial(proto uint8, to netip.AddrPort) *question {
	q.about("connect "+protoNames[proto]+" ", -1)
	*q = to.AppendTo(*q)
	return q
}

func (q *question) listen(proto uint8, at netip.AddrPort) *question {
	q.about("listen "+protoNames[proto]+" ", -1)
	*q = at.AppendTo(*q)
	return q
}

// begin begins an answer: the error's number, 0 for none.
func (r *recorded) begin(err error) {
	e, ok := err.(sockapi.Errno)
	if err != nil && !ok {
		e = sockapi.EIO // there is no such error
	}
	r.answer = binary.AppendUvarint(r.answer[:0], uint64(e))
}

func (r *recorded) number(n int) { r.answer = binary.AppendUvarint(r.answer, uint64(n)) }

// address is an address among others: its length and its binary form.
func (r *recorded) address(a netip.AddrPort) {
	b, _ := a.MarshalBinary() // which has no errors
	r.number(len(b))
	r.answer = append(r.answer, b...)
}

func (r *recorded) note() { r.to.Answered(r.ask, r.answer) }

// yes takes down an answer that is yes or no.
func (r *recorded) yes(yes bool) bool {
	r.answer = append(r.answer[:0], 0)
	if yes {
		r.answer[0] = 1
	}
	r.note()
	return yes
}

// failed takes down an answer that is an error, or none.
func (r *recorded) failed(err error) error {
	r.begin(err)
	r.note()
	return err
}

// counted takes down an answer that is a descriptor or a number of bytes, or an
// error.
func (r *recorded) counted(n int, err error) (int, error) {
	r.begin(err)
	r.number(max(n, 0))
	r.note()
	return n, err
}

func (r *recorded) canPing(proto uint8) bool {
	r.ask.about("ping "+protoNames[proto], -1)
	return r.yes(r.host.canPing(proto))
}

func (r *recorded) dial(proto uint8, to netip.AddrPort, num int32) (int, error) {
	fd, err := r.host.dial(proto, to, num)
	r.ask.dial(proto, to)
	return r.counted(fd, err)
}

func (r *recorded) pending(fd int) bool {
	r.ask.about("getpeername", fd)
	return r.yes(r.host.pending(fd))
}

func (r *recorded) name(fd int) netip.AddrPort {
	a := r.host.name(fd)
	r.ask.about("getsockname", fd)
	r.answer, _ = a.AppendBinary(r.answer[:0]) // which has no errors
	r.note()
	return a
}

func (r *recorded) failure(fd int) error {
	r.ask.about("getsockopt", fd)
	return r.failed(r.host.failure(fd))
}

func (r *recorded) read(fd int, b []byte) (int, error) {
	n, err := r.host.read(fd, b)
	r.ask.about("read", fd).number(len(b))
	r.begin(err)
	r.answer = append(r.answer, b[:max(n, 0)]...)
	r.note()
	return n, err
}

func (r *recorded) write(fd int, b []byte) (int, error) {
	n, err := r.host.write(fd, b)
	r.ask.about("write", fd).number(len(b))
	return r.counted(n, err)
}

func (r *recorded) finish(fd int) error {
	r.ask.about("shutdown", fd)
	return r.failed(r.host.finish(fd))
}

func (r *recorded) listen(proto uint8, at netip.AddrPort, num int32) (int, error) {
	fd, err := r.host.listen(proto, at, num)
	r.ask.listen(proto, at)
	return r.counted(fd, err)
}

func (r *recorded) accept(fd int, num int32) (int, netip.AddrPort, error) {
	conn, peer, err := r.host.accept(fd, num)
	r.ask.about("accept", fd)
	r.begin(err)
	r.number(max(conn, 0))
	r.address(peer)
	r.note()
	return conn, peer, err
}

func (r *recorded) shed(fd int) bool {
	r.ask.about("shed", fd)
	return r.yes(r.host.shed(fd))
}

func (r *recorded) receive(fd int, at netip.AddrPort, b []byte) (int, netip.AddrPort, netip.AddrPort, error) {
	n, from, to, err := r.host.receive(fd, at, b)
	r.ask.about("recvmsg", fd)
	r.begin(err)
	r.address(from)
	r.address(to)
	r.answer = append(r.answer, b[:n]...)
	r.note()
	return n, from, to, err
}

func (r *recorded) send(fd int, at netip.AddrPort, b []byte, from, to netip.AddrPort) error {
	r.ask.about("sendmsg", fd).number(len(b))
	return r.failed(r.host.send(fd, at, b, from, to))
}

func (r *recorded) take() []event {
	all := r.host.take()
	r.ask.about("epoll_wait", -1)
	r.answer = r.answer[:0]
	for _, e := range all {
		r.number(int(e.fd))
		r.number(int(e.num))
		r.number(int(e.events))
	}
	r.note()
	return all
}
