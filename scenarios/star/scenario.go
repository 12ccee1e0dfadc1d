package star

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"fivetuple/sim"
	"fivetuple/sockapi"
	"fivetuple/trace"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Scenario is a parsed script.
type Scenario struct {
	// Name is the file's name without directory and ending.
	Name string
	// Claim is the first paragraph of the docstring, on one line.
	Claim string
	// Doc is the whole docstring.
	Doc string

	path string
	text []byte
	file *syntax.File
}

// Source is what [Parse] made the scenario of. There are no other files: a
// script loads none.
func (s *Scenario) Source() (path string, text []byte) { return s.path, s.text }

// DefaultMaxSteps bounds a script and each of its processes: more Starlark
// steps than a minute's worth.
const DefaultMaxSteps = 200_000_000

// DefaultMaxEvents bounds a world: as many events as it takes to send a
// gigabyte, reached in a minute or two.
const DefaultMaxEvents = 5_000_000

// stepsPerCheck is how many Starlark steps pass, some milliseconds, before a
// computation notices that its run is over.
const stepsPerCheck = 1_000_000

// Config says how to run a scenario.
type Config struct {
	// Seed decides every random choice.
	Seed uint64
	// MaxSteps bounds the Starlark steps of the script and of each process.
	// Zero means [DefaultMaxSteps].
	MaxSteps uint64
	// MaxEvents bounds the events of the world. Zero means [DefaultMaxEvents].
	MaxEvents uint64
	// Sinks receive the trace; they are not closed.
	Sinks []trace.Sink
	// Started is called when the script first runs its world: all hosts that it
	// made before are there. Nil is allowed.
	Started func(*sim.World)
	// Print receives what the script prints. Nil discards it.
	Print func(string)
	// World is an existing world to run in, for a live session. Its hosts are
	// found by host(name). Nil makes a new one from Seed.
	World *sim.World
	// Real names the hosts that are not simulated: see [sim.RealHost]. Processes
	// that the script spawns there are left out. Such a run may last: its packets are
	// not kept, so Run has to end the script, before it expects something of them.
	Real []string
	// Run runs World until a limit: a live session paces it. Nil means
	// [sim.World.Run].
	Run func(context.Context, sim.Limit) error
}

// Result is what came of a run.
type Result struct {
	World *sim.World
	// Met and Failed count the expectations.
	Met, Failed int
	// Ran is set once the script has run its world: an error before that is a
	// mistake in its set-up.
	Ran bool
}

var fileOptions = &syntax.FileOptions{Set: true, While: true, TopLevelControl: true, GlobalReassign: true, Recursion: true}

// Parse reads a script. Its docstring is required: it is the claim.
func Parse(path string, src []byte) (*Scenario, error) {
	f, err := fileOptions.Parse(path, src, 0)
	if err != nil {
		return nil, located(err)
	}
	doc, line := docstring(f)
	claim, _, _ := strings.Cut(doc, "\n\n")
	claim = strings.Join(strings.Fields(claim), " ")
	if claim == "" {
		return nil, fmt.Errorf(`%s:%d: a scenario starts with its claim: """One sentence that this scenario proves."""`, path, line)
	}
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	return &Scenario{Name: name, Claim: claim, Doc: doc, path: path, text: src, file: f}, nil
}

// docstring is the string expression that a file begins with.
func docstring(f *syntax.File) (doc string, line int32) {
	if len(f.Stmts) == 0 {
		return "", 1
	}
	start, _ := f.Stmts[0].Span()
	if e, ok := f.Stmts[0].(*syntax.ExprStmt); ok {
		if lit, ok := e.X.(*syntax.Literal); ok {
			if s, ok := lit.Value.(string); ok {
				return strings.TrimSpace(s), start.Line
			}
		}
	}
	return "", start.Line
}

// Run runs the scenario. The Result is valid even after an error, unless the
// script could not start; the caller closes its World.
func (s *Scenario) Run(ctx context.Context, cfg Config) (*Result, error) {
	if cfg.MaxSteps == 0 {
		cfg.MaxSteps = DefaultMaxSteps
	}
	if cfg.MaxEvents == 0 {
		cfg.MaxEvents = DefaultMaxEvents
	}
	w := cfg.World
	if w == nil {
		w = sim.New(sim.Config{Seed: cfg.Seed, MaxEvents: cfg.MaxEvents})
	}
	r := &runner{ctx: ctx, cfg: cfg, scenario: s, world: w, result: &Result{World: w}, exec: cfg.Run}
	if r.exec == nil {
		r.exec = w.Run
	}
	for _, sink := range cfg.Sinks {
		w.Bus().Attach(sink)
	}
	r.rec.world, r.rec.forget = w, len(cfg.Real) > 0
	w.Bus().Attach(&r.rec)
	globals := r.globals()
	prog, err := starlark.FileProgram(s.file, globals.Has)
	if err != nil {
		return r.result, located(suggestNames(err, globals))
	}
	th := r.newThread(s.Name)
	if _, err := prog.Init(th, globals); err != nil {
		return r.result, located(err)
	}
	if !r.ran && len(cfg.Real) > 0 {
		return r.result, r.runTo(sim.UntilQuiet) // a lab need not say that it runs
	}
	if !r.ran {
		_, end := s.file.Span()
		return r.result, fmt.Errorf("%s:%d: the scenario never runs: call run() after its hosts, links and processes are set up", s.path, end.Line)
	}
	return r.result, nil
}

// runner is one run of a scenario.
type runner struct {
	ctx      context.Context
	cfg      Config
	scenario *Scenario
	world    *sim.World
	exec     func(context.Context, sim.Limit) error
	result   *Result
	rec      recorder
	hosts    []*hostValue
	ran      bool
}

// newThread makes a Starlark thread with the limits and output of this run.
func (r *runner) newThread(name string) *starlark.Thread {
	th := &starlark.Thread{Name: name, Print: func(th *starlark.Thread, msg string) {
		r.world.Bus().Emit(trace.Origin{}, &trace.Mark{Text: msg})
		if r.cfg.Print != nil {
			r.cfg.Print(msg)
		}
	}}
	th.SetMaxExecutionSteps(min(stepsPerCheck, r.cfg.MaxSteps))
	th.OnMaxSteps = r.checkSteps
	return th
}

// checkSteps ends a computation that has no end, or whose run was cancelled.
func (r *runner) checkSteps(th *starlark.Thread) {
	steps := th.ExecutionSteps()
	switch err := context.Cause(r.ctx); {
	case err != nil:
		th.Cancel(err.Error())
	case steps >= r.cfg.MaxSteps:
		th.Cancel(fmt.Sprintf("%d steps without an end: does a loop never stop, or never block?", r.cfg.MaxSteps))
	default:
		th.SetMaxExecutionSteps(min(steps+stepsPerCheck, r.cfg.MaxSteps))
	}
}

// located brings an error into the form "file:line: message": the innermost
// position in a script.
func located(err error) error {
	var ee *starlark.EvalError
	var re resolve.ErrorList
	var se syntax.Error
	switch {
	case errors.As(err, &ee):
		var le *Error
		if errors.As(ee.Unwrap(), &le) {
			return le // already located, in a process
		}
		for i := len(ee.CallStack) - 1; i >= 0; i-- {
			if pos := ee.CallStack[i].Pos; pos.Filename() != "<builtin>" && pos.Line > 0 {
				return &Error{File: pos.Filename(), Line: int(pos.Line), Err: cause(ee)}
			}
		}
	case errors.As(err, &re):
		errs := make([]error, len(re))
		for i, e := range re {
			errs[i] = &Error{File: e.Pos.Filename(), Line: int(e.Pos.Line), Err: errors.New(e.Msg)}
		}
		return errors.Join(errs...)
	case errors.As(err, &se):
		return &Error{File: se.Pos.Filename(), Line: int(se.Pos.Line), Err: errors.New(se.Msg)}
	}
	return err
}

// inProcess is located for an error of a process: it also says which.
func inProcess(p *sockapi.Proc, err error) error {
	var e *Error
	if err == nil || !errors.As(located(err), &e) {
		return err
	}
	return &Error{File: e.File, Line: e.Line, Err: fmt.Errorf("%s on %s: %w", p.Name, p.Host(), e.Err)}
}

// cause is an EvalError's own error, if it has one: its text is shorter.
func cause(ee *starlark.EvalError) error {
	if text, stopped := strings.CutPrefix(ee.Msg, "Starlark computation cancelled: "); stopped {
		return errors.New(text)
	}
	if inner := ee.Unwrap(); inner != nil {
		return inner
	}
	return errors.New(ee.Msg)
}

// Error is a failure at a place in a script.
type Error struct {
	File string
	Line int
	Err  error
}

// Error reads "file:line: message".
func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// where is the script position of a builtin's caller.
func where(th *starlark.Thread) string {
	if th.CallStackDepth() < 2 {
		return ""
	}
	pos := th.CallFrame(1).Pos
	return fmt.Sprintf("%s:%d", pos.Filename(), pos.Line)
}

// limit makes a Limit of run's argument.
func limit(until time.Duration) sim.Limit {
	if until < 0 {
		return sim.UntilQuiet
	}
	return sim.Until(until)
}
