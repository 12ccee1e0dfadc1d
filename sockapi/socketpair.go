package sockapi

import (
	"io"

	"fivetuple/trace"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/waiter"
)

// unixBuffer is how many bytes one direction of a pair holds: wmem_default.
const unixBuffer = 212992

// Socketpair makes two sockets that are connected to each other: socketpair(2).
// It exists for AF_UNIX, as on Linux; AF_INET gives EOPNOTSUPP. They are the
// process's own, or, after a fork, its and its child's.
func (p *Proc) Socketpair(family, typ, proto int) ([2]int, error) {
	none := [2]int{-1, -1}
	args := familyName(family) + ", " + typeName(typ) + ", " + itoa(proto)
	c := p.begin("socketpair", noFD, args)
	kind := typ &^ (SOCK_NONBLOCK | SOCK_CLOEXEC)
	if family != AF_UNIX {
		s, errno := newSocket(p.kernel.Stack(), family, kind, proto)
		if errno == 0 {
			s.ep.Close()
			errno = EOPNOTSUPP
		}
		return none, c.ret("", errno)
	}
	a, b, errno := newUnixPair(p, kind, proto)
	if errno != 0 {
		return none, c.ret("", errno)
	}
	fds := none
	for i, s := range []*socket{a, b} {
		fd, errno := p.install(s, typ)
		if errno != 0 {
			if i == 1 {
				p.closeFD(fds[0])
			}
			return none, c.ret("", errno)
		}
		fds[i] = fd
	}
	return fds, c.ret("0 ["+itoa(fds[0])+", "+itoa(fds[1])+"]", 0)
}

func newUnixPair(p *Proc, typ, proto int) (a, b *socket, errno Errno) {
	switch {
	case proto != 0 && proto != AF_UNIX:
		return nil, nil, EPROTONOSUPPORT
	case typ == SOCK_RAW:
		typ = SOCK_DGRAM // unix_create
	case typ < 0 || typ > maxSockType:
		return nil, nil, EINVAL
	case typ != SOCK_STREAM && typ != SOCK_DGRAM && typ != SOCK_SEQPACKET:
		return nil, nil, ESOCKTNOSUPPORT
	}
	var ends [2]*unixEnd
	var socks [2]*socket
	for i := range ends {
		s := &socket{st: p.kernel.Stack(), family: AF_UNIX, typ: typ, wq: new(waiter.Queue), opened: true, joined: true}
		ends[i] = &unixEnd{wq: s.wq, typ: typ}
		ends[i].ops.InitHandler(ends[i], unixLimits{}, tcpip.GetStackSendBufferLimits, tcpip.GetStackReceiveBufferLimits)
		ends[i].ops.SetSendBufferSize(unixBuffer, false)
		ends[i].ops.SetReceiveBufferSize(unixBuffer, false)
		s.ep, socks[i] = ends[i], s
	}
	ends[0].peer, ends[1].peer = ends[1], ends[0]
	return socks[0], socks[1], 0
}

// unixEnd is one end of a pair. It stands where a netstack end point would, so
// that all calls work on it: unix(7).
type unixEnd struct {
	tcpip.DefaultSocketOptionsHandler
	ops    tcpip.SocketOptions
	wq     *waiter.Queue
	typ    int
	peer   *unixEnd // nil once it has been found closed
	queue  [][]byte // what waits to be received: messages, or pieces of the stream
	size   int      // bytes in queue
	down   int      // shutRD, shutWR: sk_shutdown
	closed bool
	err    tcpip.Error
}

var _ tcpip.Endpoint = (*unixEnd)(nil)

// unixLimits are the limits of SO_SNDBUF and SO_RCVBUF.
type unixLimits struct{}

// Option implements [tcpip.StackHandler].
func (unixLimits) Option(option any) tcpip.Error {
	switch o := option.(type) {
	case *tcpip.SendBufferSizeOption:
		*o = tcpip.SendBufferSizeOption{Min: 4608, Default: unixBuffer, Max: unixBuffer}
	case *tcpip.ReceiveBufferSizeOption:
		*o = tcpip.ReceiveBufferSizeOption{Min: 2304, Default: unixBuffer, Max: unixBuffer}
	default:
		return &tcpip.ErrUnknownProtocolOption{}
	}
	return nil
}

// TransportProtocolOption implements [tcpip.StackHandler].
func (unixLimits) TransportProtocolOption(tcpip.TransportProtocolNumber, tcpip.GettableTransportProtocolOption) tcpip.Error {
	return &tcpip.ErrUnknownProtocolOption{}
}

func (e *unixEnd) connected() bool { return e.typ != SOCK_DGRAM }

// shut is sk_shutdown.
func (e *unixEnd) shut() int { return e.down }

// gone reports whether the peer has been closed.
func (e *unixEnd) gone() bool { return e.peer == nil || e.peer.closed }

// Read takes bytes off the stream, or one message.
func (e *unixEnd) Read(w io.Writer, opts tcpip.ReadOptions) (tcpip.ReadResult, tcpip.Error) {
	if len(e.queue) == 0 {
		switch {
		case e.err != nil:
			return tcpip.ReadResult{}, e.LastError()
		case e.down&shutRD != 0:
			return tcpip.ReadResult{}, &tcpip.ErrClosedForReceive{}
		}
		return tcpip.ReadResult{}, &tcpip.ErrWouldBlock{}
	}
	var res tcpip.ReadResult
	for i, b := range e.queue {
		n, err := w.Write(b)
		res.Count += n
		res.Total += len(b)
		if e.typ != SOCK_STREAM {
			break
		}
		if err != nil || n < len(b) || i+1 == len(e.queue) {
			break
		}
	}
	if !opts.Peek {
		e.consume(res.Count)
	}
	return res, nil
}

// consume drops what has been read: a whole message, or n bytes of the stream.
func (e *unixEnd) consume(n int) {
	if e.typ != SOCK_STREAM {
		n = len(e.queue[0])
	}
	e.size -= n
	for len(e.queue) > 0 && n >= len(e.queue[0]) {
		n -= len(e.queue[0])
		e.queue = e.queue[1:]
		if e.typ != SOCK_STREAM {
			break
		}
	}
	if n > 0 {
		e.queue[0] = e.queue[0][n:]
	}
	if e.peer != nil {
		e.peer.wq.Notify(waiter.WritableEvents)
	}
}

// Write gives bytes, or one message, to the peer.
func (e *unixEnd) Write(p tcpip.Payloader, _ tcpip.WriteOptions) (int64, tcpip.Error) {
	switch {
	case e.down&shutWR != 0:
		return 0, &tcpip.ErrClosedForSend{}
	case e.peer == nil:
		return 0, &tcpip.ErrNotConnected{}
	case e.peer.closed && e.connected():
		return 0, &tcpip.ErrClosedForSend{}
	case e.peer.closed:
		e.peer = nil
		return 0, &tcpip.ErrConnectionRefused{}
	case e.peer.down&shutRD != 0:
		return 0, &tcpip.ErrClosedForSend{}
	}
	room := e.room()
	n := p.Len()
	switch {
	case e.typ != SOCK_STREAM && n > int(e.ops.GetSendBufferSize()):
		return 0, &tcpip.ErrMessageTooLong{}
	case room <= 0 || e.typ != SOCK_STREAM && n > room:
		return 0, &tcpip.ErrWouldBlock{}
	}
	b := make([]byte, min(n, max(room, 0)))
	if _, err := io.ReadFull(p, b); err != nil {
		return 0, &tcpip.ErrBadBuffer{}
	}
	if len(b) > 0 || e.typ != SOCK_STREAM {
		e.peer.queue = append(e.peer.queue, b)
		e.peer.size += len(b)
		e.peer.wq.Notify(waiter.ReadableEvents)
	}
	return int64(len(b)), nil
}

// room is how many bytes fit into the peer's queue.
func (e *unixEnd) room() int { return int(e.ops.GetSendBufferSize()) - e.peer.size }

// Shutdown ends directions at both ends: what one does not send, the other
// does not receive (unix_shutdown).
func (e *unixEnd) Shutdown(flags tcpip.ShutdownFlags) tcpip.Error {
	mine, theirs := 0, 0
	if flags&tcpip.ShutdownRead != 0 {
		mine, theirs = mine|shutRD, theirs|shutWR
	}
	if flags&tcpip.ShutdownWrite != 0 {
		mine, theirs = mine|shutWR, theirs|shutRD
	}
	e.down |= mine
	e.wq.Notify(waiter.EventHUp | waiter.ReadableEvents | waiter.WritableEvents)
	if e.connected() && e.peer != nil {
		e.peer.down |= theirs
		e.peer.wq.Notify(waiter.EventHUp | waiter.ReadableEvents | waiter.WritableEvents)
	}
	return nil
}

// Close implements [tcpip.Endpoint]. The peer of a connection learns of it, by a
// reset if something was left unread (unix_release_sock).
func (e *unixEnd) Close() {
	if e.closed {
		return
	}
	e.closed = true
	if p := e.peer; p != nil && e.connected() {
		p.down = shutRDWR
		if len(e.queue) > 0 {
			p.err = &tcpip.ErrConnectionReset{}
		}
	}
	if e.peer != nil {
		e.peer.wq.Notify(waiter.EventHUp | waiter.EventErr | waiter.ReadableEvents | waiter.WritableEvents)
	}
	e.queue, e.size = nil, 0
}

// LastError implements [tcpip.Endpoint].
func (e *unixEnd) LastError() tcpip.Error {
	err := e.err
	e.err = nil
	return err
}

// poll is unix_poll of net/unix/af_unix.c.
func (e *unixEnd) poll(waiting bool) int {
	got := 0
	if waiting {
		got |= POLLERR
	}
	if e.down == shutRDWR {
		got |= POLLHUP
	}
	if e.down&shutRD != 0 {
		got |= POLLRDHUP | POLLIN
	}
	if len(e.queue) > 0 {
		got |= POLLIN
	}
	if e.gone() || e.room() > 0 {
		got |= POLLOUT
	}
	return got
}

// Readiness implements [tcpip.Endpoint].
func (e *unixEnd) Readiness(mask waiter.EventMask) waiter.EventMask {
	got, ready := e.poll(e.err != nil), waiter.EventMask(0)
	if got&POLLIN != 0 {
		ready |= waiter.ReadableEvents
	}
	if got&POLLOUT != 0 {
		ready |= waiter.WritableEvents
	}
	return ready & mask
}

func (e *unixEnd) state() trace.TCPState { return trace.Established }

// The rest of tcpip.Endpoint: what a pair does not have.

func (e *unixEnd) Abort()                                { e.Close() }
func (e *unixEnd) Connect(tcpip.FullAddress) tcpip.Error { return &tcpip.ErrAlreadyConnected{} }
func (e *unixEnd) Disconnect() tcpip.Error               { return &tcpip.ErrNotSupported{} }
func (e *unixEnd) Listen(int) tcpip.Error                { return &tcpip.ErrInvalidEndpointState{} }
func (e *unixEnd) Bind(tcpip.FullAddress) tcpip.Error    { return &tcpip.ErrInvalidEndpointState{} }
func (e *unixEnd) State() uint32                         { return 0 }
func (e *unixEnd) ModerateRecvBuf(int)                   {}
func (e *unixEnd) Info() tcpip.EndpointInfo              { return nil }
func (e *unixEnd) Stats() tcpip.EndpointStats            { return nil }
func (e *unixEnd) SetOwner(tcpip.PacketOwner)            {}
func (e *unixEnd) SocketOptions() *tcpip.SocketOptions   { return &e.ops }
func (e *unixEnd) SetSockOpt(tcpip.SettableSocketOption) tcpip.Error {
	return &tcpip.ErrUnknownProtocolOption{}
}
func (e *unixEnd) SetSockOptInt(tcpip.SockOptInt, int) tcpip.Error {
	return &tcpip.ErrUnknownProtocolOption{}
}
func (e *unixEnd) GetSockOpt(tcpip.GettableSocketOption) tcpip.Error {
	return &tcpip.ErrUnknownProtocolOption{}
}

// GetSockOptInt implements [tcpip.Endpoint]: the length of the queue.
func (e *unixEnd) GetSockOptInt(o tcpip.SockOptInt) (int, tcpip.Error) {
	if o != tcpip.ReceiveQueueSizeOption {
		return 0, &tcpip.ErrUnknownProtocolOption{}
	}
	if e.connected() {
		return e.size, nil // unix_inq_len
	}
	if len(e.queue) > 0 {
		return len(e.queue[0]), nil
	}
	return 0, nil
}

// Accept implements [tcpip.Endpoint].
func (e *unixEnd) Accept(*tcpip.FullAddress) (tcpip.Endpoint, *waiter.Queue, tcpip.Error) {
	return nil, nil, &tcpip.ErrInvalidEndpointState{}
}

// GetLocalAddress implements [tcpip.Endpoint]: a pair has no names.
func (e *unixEnd) GetLocalAddress() (tcpip.FullAddress, tcpip.Error) {
	return tcpip.FullAddress{}, nil
}

// GetRemoteAddress implements [tcpip.Endpoint].
func (e *unixEnd) GetRemoteAddress() (tcpip.FullAddress, tcpip.Error) {
	if e.peer == nil {
		return tcpip.FullAddress{}, &tcpip.ErrNotConnected{}
	}
	return tcpip.FullAddress{}, nil
}
