package sockapi

import (
	"container/list"
	"fmt"
	"slices"
	"strings"
	"time"

	"fivetuple/trace"
	"gvisor.dev/gvisor/pkg/waiter"
)

// Operations and events of epoll(7): <sys/epoll.h>. EPOLLIN to EPOLLRDHUP have
// the values of poll's.
const (
	EPOLL_CTL_ADD = 1
	EPOLL_CTL_DEL = 2
	EPOLL_CTL_MOD = 3

	EPOLL_CLOEXEC = SOCK_CLOEXEC

	EPOLLIN      = POLLIN
	EPOLLPRI     = POLLPRI
	EPOLLOUT     = POLLOUT
	EPOLLERR     = POLLERR
	EPOLLHUP     = POLLHUP
	EPOLLRDHUP   = POLLRDHUP
	EPOLLONESHOT = 1 << 30
	EPOLLET      = 1 << 31
)

var epollOps = map[int]string{EPOLL_CTL_ADD: "EPOLL_CTL_ADD", EPOLL_CTL_DEL: "EPOLL_CTL_DEL", EPOLL_CTL_MOD: "EPOLL_CTL_MOD"}

// epollModes are the bits of Events that are no events.
const epollModes = EPOLLONESHOT | EPOLLET

var epollFlags = []flagName{
	{EPOLLIN, "EPOLLIN"}, {EPOLLPRI, "EPOLLPRI"}, {EPOLLOUT, "EPOLLOUT"}, {EPOLLERR, "EPOLLERR"},
	{EPOLLHUP, "EPOLLHUP"}, {EPOLLRDHUP, "EPOLLRDHUP"}, {EPOLLONESHOT, "EPOLLONESHOT"}, {EPOLLET, "EPOLLET"},
}

// EpollEvent is struct epoll_event: what to watch for, or what happened, and
// the number that identifies it to the caller, usually the descriptor.
type EpollEvent struct {
	Events int
	Data   int
}

// epoll is an epoll instance. Its interest list holds its watches in the order
// in which they were added, its ready list those that may have something to
// report, in the order in which they became ready. Both are linked lists, so
// that a call on one watch costs the same however many there are.
type epoll struct {
	wq      waiter.Queue
	watches list.List // of *watch
	ready   list.List // of *watch
}

// watch is one open file that an epoll instance watches, under one descriptor:
// an entry of the interest list.
type watch struct {
	ep     *epoll
	fd     int
	target *open
	event  EpollEvent
	entry  waiter.Entry
	place  *list.Element // in ep.watches
	queued *list.Element // in ep.ready; nil if it is not
	off    bool          // EPOLLONESHOT has fired
}

// EpollCreate makes an epoll instance: epoll_create1(2). The flags are 0 or
// EPOLL_CLOEXEC.
func (p *Proc) EpollCreate(flags int) (int, error) {
	c := p.begin("epoll_create1", noFD, flagString(flags, []flagName{{EPOLL_CLOEXEC, "EPOLL_CLOEXEC"}}))
	if flags&^EPOLL_CLOEXEC != 0 {
		return -1, c.ret("", EINVAL)
	}
	ep := &epoll{}
	fd, errno := p.installFile(&open{file: ep}, flags&EPOLL_CLOEXEC != 0)
	if errno != 0 {
		return -1, c.ret("", errno)
	}
	c.fd = fd
	return fd, c.ret(itoa(fd), 0)
}

// EpollCtl adds, changes or removes a watch: epoll_ctl(2).
func (p *Proc) EpollCtl(epfd, op, fd int, event EpollEvent) error {
	name, ok := epollOps[op]
	args := fmt.Sprintf("%d, %s, %d", epfd, name, fd)
	if op != EPOLL_CTL_DEL {
		args += ", " + flagString(event.Events, epollFlags)
	}
	c := p.begin("epoll_ctl", epfd, args)
	o, errno := c.anyFile()
	target, errno2 := p.table.get(fd)
	if errno != 0 || errno2 != 0 {
		return c.ret("", EBADF)
	}
	ep, isEpoll := o.file.(*epoll)
	if !isEpoll || target == o || !ok {
		return c.ret("", EINVAL)
	}
	if target.waitQueue() == nil {
		return c.ret("", EPERM) // a file that is always ready
	}
	return c.ret("0", ep.control(op, fd, target, event))
}

func (ep *epoll) control(op, fd int, target *open, event EpollEvent) Errno {
	// A file is watched by few: its own list is the short one.
	i := slices.IndexFunc(target.watches, func(w *watch) bool { return w.fd == fd && w.ep == ep })
	switch {
	case op == EPOLL_CTL_ADD && i >= 0:
		return EEXIST
	case op != EPOLL_CTL_ADD && i < 0:
		return ENOENT
	case op == EPOLL_CTL_DEL:
		target.watches[i].remove()
		return 0
	case op == EPOLL_CTL_MOD:
		w := target.watches[i]
		target.waitQueue().EventUnregister(&w.entry)
		w.event, w.off = event, false
		w.register()
		return 0
	}
	w := &watch{ep: ep, fd: fd, target: target, event: event}
	w.place = ep.watches.PushBack(w)
	target.watches = append(target.watches, w)
	w.register()
	return 0
}

// register asks to be told of the watch's events, and looks whether one holds
// already.
func (w *watch) register() {
	w.entry.Init(w, pollMask(w.event.Events))
	w.target.waitQueue().EventRegister(&w.entry)
	if w.now() != 0 {
		w.NotifyEvent(0)
	}
}

// now returns the events that hold.
func (w *watch) now() int {
	if w.off {
		return 0
	}
	return w.target.poll(w.event.Events &^ epollModes)
}

// NotifyEvent implements [waiter.EventListener].
func (w *watch) NotifyEvent(waiter.EventMask) {
	if w.queued != nil || w.off {
		return
	}
	w.queued = w.ep.ready.PushBack(w)
	w.ep.wq.Notify(waiter.ReadableEvents)
}

// remove takes the watch out of the interest list.
func (w *watch) remove() {
	w.target.waitQueue().EventUnregister(&w.entry)
	w.ep.watches.Remove(w.place)
	w.unqueue()
	w.target.watches = slices.DeleteFunc(w.target.watches, func(o *watch) bool { return o == w })
}

// unqueue takes the watch off the ready list, if it is on it.
func (w *watch) unqueue() {
	if w.queued != nil {
		w.ep.ready.Remove(w.queued)
		w.queued = nil
	}
}

// EpollWait waits until a watched file is ready, or for timeout, and returns at
// most maxEvents events: epoll_wait(2). A negative timeout waits for ever.
func (p *Proc) EpollWait(epfd, maxEvents int, timeout time.Duration) ([]EpollEvent, error) {
	t := "-1"
	if timeout >= 0 {
		t = timeout.String()
	}
	c := p.begin("epoll_wait", epfd, fmt.Sprintf("%d, %d, %s", epfd, maxEvents, t))
	o, errno := c.anyFile()
	if errno != 0 {
		return nil, c.ret("", EBADF)
	}
	ep, ok := o.file.(*epoll)
	if !ok || maxEvents <= 0 {
		return nil, c.ret("", EINVAL)
	}
	deadline := NoDeadline
	if timeout >= 0 {
		deadline = p.after(timeout)
	}
	var got []EpollEvent
	c.block(deadline, func() Errno {
		if got = ep.collect(maxEvents); len(got) == 0 {
			return EAGAIN
		}
		return 0
	}, wait{&ep.wq, waiter.ReadableEvents})
	return got, c.ret(epollResult(got), 0)
}

// collect takes up to limit events off the ready list. A level-triggered watch
// goes back to its end, so that all get their turn: epoll(7).
func (ep *epoll) collect(limit int) []EpollEvent {
	var got []EpollEvent
	for n := ep.ready.Len(); n > 0 && len(got) < limit; n-- {
		w := ep.ready.Front().Value.(*watch)
		events := w.now()
		if events == 0 {
			w.unqueue()
			continue
		}
		got = append(got, EpollEvent{Events: events, Data: w.event.Data})
		switch {
		case w.event.Events&EPOLLONESHOT != 0:
			w.off = true
			w.unqueue()
		case w.event.Events&EPOLLET == 0:
			ep.ready.MoveToBack(w.queued)
		default:
			w.unqueue()
		}
	}
	return got
}

func epollResult(got []EpollEvent) string {
	if len(got) == 0 {
		return "0 (timeout)"
	}
	parts := make([]string, len(got))
	for i, e := range got {
		parts[i] = itoa(e.Data) + ":" + flagString(e.Events, epollFlags)
	}
	return itoa(len(got)) + " [" + strings.Join(parts, " ") + "]"
}

// poll implements [file]: an epoll instance is readable when it has an event.
func (ep *epoll) poll(events int) int {
	for e := ep.ready.Front(); e != nil; e = e.Next() {
		if e.Value.(*watch).now() != 0 {
			return events & EPOLLIN
		}
	}
	return 0
}

// waitQueue implements [file].
func (ep *epoll) waitQueue() *waiter.Queue { return &ep.wq }

// describe implements [file].
func (ep *epoll) describe() (trace.FD, bool) {
	var fds []string
	for e := ep.watches.Front(); e != nil; e = e.Next() {
		fds = append(fds, itoa(e.Value.(*watch).fd))
	}
	return trace.FD{Kind: "epoll", Note: "watches " + strings.Join(fds, ", ")}, true
}

// finish implements [file].
func (ep *epoll) finish(*Proc, *call) {
	for ep.watches.Len() > 0 {
		ep.watches.Front().Value.(*watch).remove()
	}
}
