package capture

import (
	"time"

	"fivetuple/scenarios/packetdrill"
)

// Words and numbers of calls.

func number(n int) packetdrill.Expr {
	return packetdrill.Expr{Kind: packetdrill.Number, Int: int64(n)}
}

func word(w string) packetdrill.Expr { return packetdrill.Expr{Kind: packetdrill.Word, Text: w} }

func or(words ...string) packetdrill.Expr {
	e := packetdrill.Expr{Kind: packetdrill.Or}
	for _, w := range words {
		e.List = append(e.List, word(w))
	}
	return e
}

var ellipsis = packetdrill.Expr{Kind: packetdrill.Ellipsis}

// call makes a call at a time. The result is what it returns.
func (b *builder) call(at time.Duration, name string, result int, args ...packetdrill.Expr) {
	b.event(at, packetdrill.Event{Call: &packetdrill.Call{Name: name, Args: args, Result: number(result)}})
}

// set sets an option that is an int.
func (b *builder) set(at time.Duration, level, name string, v int) {
	list := packetdrill.Expr{Kind: packetdrill.List, List: []packetdrill.Expr{number(v)}}
	b.call(at, "setsockopt", 0, number(int(b.fd)), word(level), word(name), list, number(4))
}

// open makes the socket.
func (b *builder) open() {
	if b.refuses {
		return
	}
	b.call(0, "socket", 3, ellipsis, word("SOCK_STREAM"), word("IPPROTO_TCP"))
	for _, o := range b.sockopts {
		b.set(0, o.level, o.name, o.value)
	}
	if !b.v.active() {
		b.set(0, "SOL_SOCKET", "SO_REUSEADDR", 1)
		b.call(0, "bind", 0, number(3), ellipsis, ellipsis)
		b.call(0, "listen", 0, number(3), number(1))
		return
	}
	b.call(0, "fcntl", 0, number(3), word("F_SETFL"), or("O_RDWR", "O_NONBLOCK"))
	b.event(0, packetdrill.Event{Call: &packetdrill.Call{Name: "connect", Args: []packetdrill.Expr{number(3), ellipsis, ellipsis},
		Result: number(-1), Errno: "EINPROGRESS", Note: "Operation now in progress"}})
}

// before makes the calls because of which a packet is sent.
func (b *builder) before(i int, st *step) {
	if b.v.active() && !b.ready && b.have[peer] && !st.has(flagSYN) && (st.size > 0 || st.has(flagFIN)) {
		b.connected(st.at)
	}
	b.opensWindow(st)
	if w, ok := b.writes[i]; ok && b.ready {
		if !b.slowReader {
			b.flushRead()
		}
		if w.nodelay != b.nodelay && w.sure {
			b.nodelay = w.nodelay
			b.set(st.at, "IPPROTO_TCP", "TCP_NODELAY", truth(w.nodelay))
		}
		b.call(st.at, "write", w.size, number(int(b.fd)), ellipsis, number(w.size))
	}
	switch {
	case st.has(flagFIN) && !b.closed && !b.closeDue && b.ready:
		b.flushRead()
		if b.halfClose {
			b.closeDue = true
			b.call(st.at, "shutdown", 0, number(int(b.fd)), word("SHUT_WR"))
		} else {
			b.close(st.at)
		}
	case st.has(flagRST) && !b.closed && b.ready:
		b.flushRead()
		linger := packetdrill.Expr{Kind: packetdrill.Struct, Fields: []packetdrill.Field{{Name: "onoff", Value: number(1)}, {Name: "linger", Value: number(0)}}}
		b.call(st.at, "setsockopt", 0, number(int(b.fd)), word("SOL_SOCKET"), word("SO_LINGER"), linger, number(8))
		b.close(st.at)
	}
}

func truth(v bool) int {
	if v {
		return 1
	}
	return 0
}

func (b *builder) close(at time.Duration) {
	b.closed = true
	b.call(at, "close", 0, number(int(b.fd)))
}

// connected makes the calls at the end of a handshake.
func (b *builder) connected(at time.Duration) {
	b.ready = true
	if !b.v.active() {
		b.fd = 4
		b.call(at, "accept", 4, number(3), ellipsis, ellipsis)
	} else {
		zero := packetdrill.Expr{Kind: packetdrill.List, List: []packetdrill.Expr{number(0)}}
		four := packetdrill.Expr{Kind: packetdrill.List, List: []packetdrill.Expr{number(4)}}
		b.call(at, "getsockopt", 0, number(3), word("SOL_SOCKET"), word("SO_ERROR"), zero, four)
		b.call(at, "fcntl", 0, number(3), word("F_SETFL"), word("O_RDWR"))
	}
	for _, o := range b.keepalive {
		b.set(at, o.level, o.name, o.value)
	}
}

// after makes the calls that become possible when a packet has been sent.
func (b *builder) after(st *step) {
	if b.v.active() && !b.ready && b.have[peer] && !st.has(flagSYN) && !st.has(flagRST) {
		b.connected(st.at)
	}
}

// arrived makes the calls that become possible when a packet has come.
func (b *builder) arrived(i int, st *step) {
	if !b.v.active() && !b.ready && !b.refuses && b.have[own] && st.has(flagACK) && !st.has(flagSYN) && !st.has(flagRST) && st.ack == b.isn[own]+1 {
		b.connected(st.at)
	}
	if st.has(flagSYN) || st.has(flagRST) || !b.have[peer] {
		return
	}
	start := b.rel(st)
	if b.rcv.next == 0 {
		b.rcv.next = 1
	}
	n := b.rcv.add(start, start+uint32(st.size))
	b.unread += n
	if st.has(flagFIN) && b.rcv.next == start+uint32(st.size) {
		b.eof = true
	}
	if b.eof && b.ready && !b.closed && !b.answered(i) {
		b.flushRead()
	}
}

// answered reports whether the step after i is an answer of the stack at once.
func (b *builder) answered(i int) bool {
	s := b.v.steps
	return i+1 < len(s) && s[i+1].out && s[i+1].size == 0 && !s[i+1].has(flagFIN) && !s[i+1].has(flagRST)
}

// readAtOnce is how much data may wait for a read: far less than a receive
// buffer holds.
const readAtOnce = 32 << 10

// flushLarge reads if much has come, or as the windows say. It is called before
// the next packet comes, so that a read does not stand between data and its ACK.
func (b *builder) flushLarge(i int) {
	if b.eof || !b.slowReader && b.unread >= readAtOnce || b.slowReader && b.windowMoves(i) {
		b.flushRead()
	}
}

// edge is up to where this side lets the other one send.
func (b *builder) edge(st *step) uint32 { return st.ack + uint32(st.win)<<b.scale }

// windowMoves reports whether the next segment of this side opens the window
// further than the last one, without being sent for that alone.
func (b *builder) windowMoves(i int) bool {
	for j := range b.v.steps[i:] {
		if st := &b.v.steps[i+j]; st.out && st.has(flagACK) {
			return b.haveEdge && int32(b.edge(st)-b.lastEdge) > 0 && st.ack != b.lastACK
		}
	}
	return false
}

// opensWindow reads before a segment that does nothing but open the window, and
// notes the window of any.
func (b *builder) opensWindow(st *step) {
	if !b.slowReader || !st.has(flagACK) || st.has(flagSYN) {
		return
	}
	if b.haveEdge && st.size == 0 && st.ack == b.lastACK && int32(b.edge(st)-b.lastEdge) > 0 && b.unread > 0 {
		b.flushReadAt(st.at)
	}
	b.haveEdge, b.lastEdge, b.lastACK = true, b.edge(st), st.ack
}

// flushRead reads what has come.
func (b *builder) flushRead() { b.flushReadAt(b.now) }

func (b *builder) flushReadAt(at time.Duration) {
	if !b.ready || b.closed {
		return
	}
	if b.unread > 0 {
		b.call(at, "read", b.unread, number(int(b.fd)), ellipsis, number(b.unread))
		b.unread = 0
	}
	if b.eof && !b.eofRead {
		b.eofRead = true
		b.call(at, "read", 0, number(int(b.fd)), ellipsis, number(1))
		if b.closeDue {
			b.closeDue = false
			b.close(at)
		}
	}
}
