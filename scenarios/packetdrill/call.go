package packetdrill

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"fivetuple/sockapi"
)

// outcome is what a call has returned.
type outcome struct {
	n     int64
	err   error
	check func() string // compares what it has written; nil: nothing
	after func()        // what the runner notes if it succeeds; nil: nothing
}

func returned[T int | int64](n T, err error) outcome { return outcome{n: int64(n), err: err} }

func zero(err error) outcome { return outcome{err: err} }

// pendingCall is a call of the script that may not have returned yet.
type pendingCall struct {
	line     int
	call     *Call
	row      callRow
	blocking bool
	entered  time.Duration
	due      time.Duration // when it is to return, if it is to block
	tol      time.Duration
	done     bool
	at       time.Duration // when it has returned
	out      outcome
}

// call makes a call.
func (r *runner) call(e *Event, at time.Duration) *pendingCall {
	c := e.Call
	row, ok := callTable[c.Name]
	switch {
	case !ok:
		panic(problem(Dialect, e.Line, "call %s is not known", c.Name))
	case row.prepare == nil:
		panic(unsupported(e.Line, c.Name, "%s", row.why))
	case len(c.Args) != row.args && (row.orArgs == 0 || len(c.Args) != row.orArgs):
		panic(problem(Invalid, e.Line, "%s takes %d arguments, not %d", c.Name, row.args, len(c.Args)))
	}
	f := row.prepare(&callArgs{r, c, e.Line})
	pc := &pendingCall{line: e.Line, call: c, row: row, blocking: e.Time.Blocking, entered: r.tgt.Now(), tol: r.tolerance(e.Time.End - e.Time.At)}
	pc.due = at
	if e.Time.Blocking {
		pc.due = e.Time.End
		if e.Time.Kind == Relative {
			pc.due += r.base
		}
	}
	r.pending = append(r.pending, pc)
	r.tgt.Do(func(p Sockets) { pc.out = f(p) }, pc.blocking, func(at time.Duration) {
		pc.done, pc.at = true, at
		if pc.out.err == nil && row.newFD && c.Result.Kind == Number && c.Result.Int >= 0 {
			r.fds[c.Result.Int] = int(pc.out.n)
		}
		if pc.out.err == nil && pc.out.after != nil {
			pc.out.after()
		}
	})
	return pc
}

// hearsay is how long it may take in real time to learn that a call has
// returned: when it has is what counts.
const hearsay = 50 * time.Millisecond

// awaitDue lets calls return that are due, before another is made. In real time,
// a thread that has been woken looks again at what it waited for, and the other
// call may have taken that: an error that poll would have shown, say.
func (r *runner) awaitDue() {
	for _, pc := range r.pending {
		if now := r.tgt.Now(); r.native() && pc.due <= now {
			r.await(now+hearsay, func() bool { return pc.done })
		}
	}
}

// reap judges the calls that have returned, and those that should have; at
// the end of the script it waits for the rest.
func (r *runner) reap(final bool) {
	keep := r.pending[:0]
	defer func(line int) { r.line = line }(r.line)
	for _, pc := range r.pending {
		r.line = pc.line
		limit := pc.due + pc.tol
		switch now := r.tgt.Now(); {
		case final:
			r.await(max(limit, pc.due+grace), func() bool { return pc.done })
		case r.native() && now > limit:
			r.await(now+hearsay, func() bool { return pc.done })
		}
		switch {
		case pc.done:
			r.judge(pc)
		case !pc.blocking:
			r.diverge("%s: it blocks, and should return at once", pc.call.Name)
		case final || r.tgt.Now() > limit:
			r.diverge("%s: it still blocks, and should have returned at %s; %s", pc.call.Name, formatSeconds(pc.due), r.quiet())
		default:
			keep = append(keep, pc)
		}
	}
	r.pending = keep
}

// judge compares what a call has returned with what the script expects.
func (r *runner) judge(pc *pendingCall) {
	c, want := pc.call, pc.call.Result
	got := fmt.Sprint(pc.out.n)
	var e *sockapi.Error
	failed := pc.out.err != nil
	if failed {
		got = "-1"
		if errors.As(pc.out.err, &e) {
			got = fmt.Sprintf("-1 %s (%s)", e.Errno.Name(), e.Errno)
		}
	}
	bad := false
	switch {
	case want.Kind == Ellipsis:
	case want.Kind == Word:
		v, ok := r.constant(want.Text)
		if !ok {
			panic(problem(Dialect, pc.line, "the word %q is not known", want.Text))
		}
		bad = failed || v != pc.out.n
	case want.Int < 0:
		bad = !failed || want.Int != -1 || c.Errno != "" && (e == nil || sameErrno(c.Errno) != e.Errno.Name())
	case pc.row.newFD:
		bad = failed
	default:
		bad = failed || want.Int != pc.out.n
	}
	if bad {
		expected := want.String()
		if c.Errno != "" {
			expected += " " + c.Errno
		}
		r.lacking(pc)
		r.diverge("%s: expected %s, got %s", c.Name, expected, got)
	}
	if pc.out.check != nil && !failed {
		if text := pc.out.check(); text != "" {
			r.diverge("%s: %s", c.Name, text)
		}
	}
	if late, off := r.deviation(pc.at, pc.due, pc.due, pc.tol); pc.blocking && off {
		r.diverge("%s: expected to return at %s, returned at %s: off by %s s, more than the tolerance of %s s", c.Name,
			formatSeconds(pc.due), formatSeconds(pc.at), formatSeconds(late.Abs()), formatSeconds(pc.tol))
	}
}

// sameErrno is the name that sockapi has for an error number with two.
func sameErrno(name string) string {
	switch name {
	case "EWOULDBLOCK":
		return "EAGAIN"
	case "ENOTSUP":
		return "EOPNOTSUPP"
	}
	return name
}

// lacking notes what a failed call needs and the stack does not have.
func (r *runner) lacking(pc *pendingCall) {
	if name := pc.call.Name; (name == "setsockopt" || name == "getsockopt") && len(pc.call.Args) > 2 {
		a := &callArgs{r, pc.call, pc.line}
		if o, ok := optionOf(int(a.int(1)), int(a.int(2))); ok && o.Status == sockapi.Refused {
			feature := o.Name
			if strings.HasPrefix(o.Name, "TCP_FASTOPEN") {
				feature = featureTFO
			}
			r.doubtful(feature, "%s: %s", o.Name, o.Note)
		}
	}
}

func optionOf(level, num int) (sockapi.Option, bool) {
	for _, o := range sockapi.Options() {
		if o.Level == level && o.Num == num {
			return o, true
		}
	}
	return sockapi.Option{}, false
}

// callRow is one call of the language.
type callRow struct {
	args, orArgs int
	newFD        bool   // it returns a descriptor
	why          string // why there is no prepare
	prepare      func(a *callArgs) func(p Sockets) outcome
}

// callTable are the calls that scripts make. init fills it in: rows and
// runner refer to each other.
var callTable map[string]callRow

// table: one row a call.
func init() {
	callTable = map[string]callRow{
		"socket":       {args: 3, newFD: true, prepare: callSocket},
		"bind":         {args: 3, prepare: callBind},
		"listen":       {args: 2, prepare: callListen},
		"accept":       {args: 3, newFD: true, prepare: callAccept},
		"accept4":      {args: 4, newFD: true, prepare: callAccept},
		"connect":      {args: 3, prepare: callConnect},
		"read":         {args: 3, prepare: callRecv},
		"recv":         {args: 4, prepare: callRecv},
		"recvfrom":     {args: 6, prepare: callRecv},
		"write":        {args: 3, prepare: callSend},
		"send":         {args: 4, prepare: callSend},
		"sendto":       {args: 6, prepare: callSend},
		"readv":        {args: 3, prepare: callReadv},
		"writev":       {args: 3, prepare: callWritev},
		"recvmsg":      {args: 3, prepare: callRecvmsg},
		"sendmsg":      {args: 3, prepare: callSendmsg},
		"fcntl":        {args: 2, orArgs: 3, prepare: callFcntl},
		"ioctl":        {args: 2, orArgs: 3, prepare: callIoctl},
		"close":        {args: 1, prepare: callClose},
		"shutdown":     {args: 2, prepare: callShutdown},
		"getsockopt":   {args: 5, prepare: callGetsockopt},
		"setsockopt":   {args: 5, prepare: callSetsockopt},
		"poll":         {args: 3, prepare: callPoll},
		"epoll_create": {args: 1, newFD: true, prepare: callEpollCreate},
		"epoll_ctl":    {args: 4, prepare: callEpollCtl},
		"epoll_wait":   {args: 4, prepare: callEpollWait},
		"open":         {args: 2, orArgs: 3, newFD: true, prepare: callOpen},
		"sendfile":     {args: 4, prepare: callSendfile},
		"pipe":         {args: 1, prepare: callPipe},
		"splice":       {args: 6, prepare: callSplice},
		"psp_rx_assoc": {why: "netstack has no PSP encryption"},
		"psp_tx_assoc": {why: "netstack has no PSP encryption"},
		"cap_set":      {why: "processes have no capabilities"},
	}
}
