package packetdrill

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"fivetuple/sim"
	"fivetuple/trace"
)

// Config says how to run a script.
type Config struct {
	Settings
	// Seed decides every random number of the host.
	Seed uint64
	// Sinks receive the trace; they are not closed.
	Sinks []trace.Sink
	// Started is called when the world is ready, with the address of the
	// script's end. Nil is allowed.
	Started func(w *sim.World, remote netip.Addr)
	// Log receives a line for each event, for --verbose. Nil discards it.
	Log func(string)
	// MaxEvents bounds the events of the world; zero means a million.
	MaxEvents uint64
	// Target is what the script runs against; nil means netstack in virtual time,
	// which Seed, Sinks, Started and MaxEvents are for.
	Target Target
}

// Result is what came of a run.
type Result struct {
	Verdict Verdict
	Problem *Problem // why, if it is not a pass
	// World is the world it ran in, for the caller to close; nil if there was
	// no run.
	World *sim.World
	// Done of Events have happened as expected.
	Done, Events int
	// Virtual is the time that the script took.
	Virtual time.Duration
	// Deviation is the largest difference between an expected time and the
	// actual one, at DeviationLine.
	Deviation     time.Duration
	DeviationLine int
	// Notes are settings of the script that change nothing here, each with why.
	Notes []string
	// Trace are the packets in both directions, as a script would write them.
	Trace []TracePacket
}

// HostName and PeerName are the names in the trace: the host under test, and
// the script, which is the other end of its link.
const (
	HostName = "host"
	PeerName = "script"
)

// Run runs a script. What goes wrong is in the result.
func Run(ctx context.Context, s *Script, cfg Config) *Result {
	r := &runner{ctx: ctx, script: s, res: &Result{Events: len(s.Events)}, fds: make(map[int64]int), conns: make(map[ports]*conn), files: make(map[string]int)}
	p := r.guard(func() { r.run(cfg) })
	r.res.Verdict = Pass
	if p != nil {
		p.File = s.File
		r.res.Verdict, r.res.Problem = p.Verdict, p
	}
	if n, ok := r.tgt.(*netstack); ok {
		r.res.World = n.w
	}
	r.res.Trace = r.traced()
	if r.started {
		r.res.Virtual = r.tgt.Now()
	}
	return r.res
}

// runner runs one script.
type runner struct {
	ctx    context.Context
	script *Script
	set    Settings
	host   hostState
	log    func(string)
	res    *Result

	tgt     Target
	started bool
	zero    time.Duration // the clock of a native host at time 0

	line int           // of the event in progress
	base time.Duration // when the previous event was over
	// anchor is the scripted time of the previous event, afterInbound says that it
	// was a packet of the script.
	anchor       time.Duration
	afterInbound bool
	fds          map[int64]int // the script's descriptors → ours
	files        map[string]int
	inq          map[int]bool      // our descriptors with TCP_INQ
	emu          map[int]*emulated // what is played: nil on Linux

	trace      []traced
	sent       []observed // what the host has sent and nothing has looked at
	conns      map[ports]*conn
	cur        *conn // the connection under test
	nextPort   int
	serial     int  // of the last connection
	connecting int  // our descriptor that a call connects
	fresh      bool // and it has sent nothing yet
	pending    []*pendingCall
	doubt      *Problem // what may explain a difference: see doubtful
	vars       map[string]value
}

// guard runs f and returns the problem that ended it.
func (r *runner) guard(f func()) (p *Problem) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case *Problem:
			p = v
		default:
			panic(v)
		}
	}()
	f()
	return nil
}

// fail ends the run. A difference that something missing in the stack explains
// is not one of the stack's behaviour.
func (r *runner) fail(p *Problem) {
	if p.Verdict == Diverges && r.doubt != nil {
		d := *r.doubt
		d.Text += fmt.Sprintf(" (line %d: %s)", p.Line, p.Text)
		p = &d
	}
	panic(p)
}

func (r *runner) diverge(format string, args ...any) {
	r.fail(problem(Diverges, r.line, format, args...))
}

// doubtful notes that the script needs a feature that is missing, but that what
// it expects may be met all the same: only a difference shows whether it is.
func (r *runner) doubtful(feature, format string, args ...any) {
	if r.doubt == nil && r.tgt.Lacks(feature) {
		r.doubt = unsupported(r.line, feature, format, args...)
	}
}

func (r *runner) run(cfg Config) {
	set, p := cfg.Settings.over(r.script)
	if p != nil {
		panic(p)
	}
	r.set, r.log, r.nextPort = set, cfg.Log, 40000
	r.vars = make(map[string]value)
	if r.tgt = cfg.Target; r.tgt == nil {
		r.tgt = &netstack{r: r, cfg: cfg}
		r.emu = make(map[int]*emulated)
	}
	if r.native() && r.set.allows("sack-room") {
		r.note("--allow=sack-room: Linux keeps no room free in its segments")
		r.set.Allow = slices.DeleteFunc(r.set.Allow, func(name string) bool { return name == "sack-room" })
	}
	r.check()
	r.host.init()
	if err := r.tgt.Open(r.ctx, &r.set, r.observe); err != nil {
		panic(problem(Invalid, 1, "%v", err))
	}
	if c := r.script.Init; c != nil {
		r.command(c, true)
	}
	if len(r.script.Events) == 0 {
		panic(problem(Invalid, 1, "the script has no events: there is nothing to test"))
	}
	r.line, r.started = 1, true
	r.advance(0)
	if r.native() {
		r.tgt.Do(func(p Sockets) { r.zero = p.(NativeSockets).Zero() }, false, func(time.Duration) {})
	}
	for i := range r.script.Events {
		r.event(&r.script.Events[i])
		r.res.Done++
	}
	r.finish()
	if c := r.script.Cleanup; c != nil {
		r.line = c.Line
		r.command(c, false)
	}
}

// advance lets time pass until t. What the host does at that instant comes
// before what the script does at it.
func (r *runner) advance(t time.Duration) {
	_, err := r.tgt.Run(t, nil)
	r.stop(err)
}

// await lets time pass until done, or until nothing can come until limit.
func (r *runner) await(limit time.Duration, done func() bool) bool {
	ok, err := r.tgt.Run(limit, done)
	r.stop(err)
	return ok
}

// stop ends the run for an error of the target.
func (r *runner) stop(err error) {
	switch {
	case err == nil:
	case bounded(err):
		r.diverge("%v", err)
	default:
		panic(problem(Invalid, r.line, "%v", err))
	}
}

func (r *runner) event(e *Event) {
	r.line = e.Line
	r.reap(false)
	inbound := e.Packet != nil && e.Packet.Inbound
	base := r.base
	if inbound && r.afterInbound {
		base = r.anchor // in real time, packets of the script keep their distance
	}
	at, end := e.Time.At, e.Time.At
	if e.Time.Range {
		end = e.Time.End
	}
	if e.Time.Kind == Relative {
		at, end = at+base, end+base
	}
	if r.log != nil {
		r.log(fmt.Sprintf("%s:%d: %s", r.script.File, e.Line, e))
	}
	if e.Packet != nil && !inbound {
		r.base = max(r.base, r.expect(e, at, end))
	} else {
		if at > r.tgt.Now() {
			r.advance(at)
		}
		r.reap(false)
		r.punctual(e, at)
		r.base = r.do(e, at)
		r.reap(false)
	}
	r.afterInbound, r.anchor = inbound, at
}

// punctual fails if what the script does itself begins too late, which happens
// in real time alone.
func (r *runner) punctual(e *Event, at time.Duration) {
	tol := r.tolerance(at - r.base)
	if late := r.tgt.Now() - at; e.Packet == nil && late > tol && late > time.Microsecond {
		p := problem(Diverges, e.Line, "it begins %s s later than at %s: more than the tolerance of %s s; is this machine busy?", formatSeconds(late),
			formatSeconds(at), formatSeconds(tol))
		p.Late = true
		r.fail(p)
	}
}

// do is what the script does itself. It returns when it was over.
func (r *runner) do(e *Event, at time.Duration) time.Duration {
	switch {
	case e.Packet != nil:
		r.inject(e.Packet)
	case e.Call != nil:
		r.awaitDue()
		pc := r.call(e, at)
		r.advance(r.tgt.Now())
		if pc.done {
			return pc.at
		}
	case e.Command != nil:
		r.command(e.Command, false)
	case e.Code != nil:
		r.code(e.Code)
	}
	r.advance(r.tgt.Now())
	return r.tgt.Now()
}

// tolerance is how far an event may be from its time, given how long after the
// previous one it is due.
func (r *runner) tolerance(gap time.Duration) time.Duration {
	if r.set.StrictTime {
		return 0
	}
	return max(r.set.Tolerance, gap/8)
}

// deviation notes a difference in time, and reports whether it is too large.
func (r *runner) deviation(actual, from, to, tol time.Duration) (late time.Duration, bad bool) {
	switch {
	case actual < from:
		late = actual - from
	case actual > to:
		late = actual - to
	}
	if late.Abs() > r.res.Deviation {
		r.res.Deviation, r.res.DeviationLine = late.Abs(), r.line
	}
	if r.set.StrictTime {
		// netstack's clock counts packets in nanoseconds; scripts have
		// microseconds.
		return late, late.Abs() >= time.Microsecond
	}
	return late, late.Abs() > tol
}

// grace is how long after its time a packet or a return is waited for, to say
// by how much it is late.
const grace = 2 * time.Second

// quiet says what the host is waiting for, if that is known.
func (r *runner) quiet() string {
	if t, ok := r.tgt.(interface{ quiet() string }); ok {
		return t.quiet()
	}
	return "the time is " + formatSeconds(r.tgt.Now())
}

// finish waits for calls that are still blocked.
func (r *runner) finish() {
	r.reap(true)
}
