package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fivetuple/sim/record"
)

// Replayer runs a recording in virtual time: see [World.Replayer].
type Replayer struct {
	w    *World
	devs []*Device
	r    *record.Reader
	n    int // number of the next input, from 1

	read bool // in, end and err are what comes next
	in   *record.Input
	end  *record.End
	err  error

	asked  bool  // the machine's answers are part of the recording
	misfit error // what was asked is not what was recorded
}

// Replayer makes this world run a recording: the world must have been built as
// the recorded one was, with its [Host.Net]s and with the same devices, each in the
// same order.
func (w *World) Replayer(r *record.Reader, devs ...*Device) *Replayer {
	return &Replayer{w: w, devs: devs, r: r, n: 1}
}

// Replay runs a recording whose world was run once. It returns how the recorded
// run ended, or [record.ErrCut] if the recording ends before that: the world is
// at the last input then. Any other error is a recording that does not fit this
// world.
func (w *World) Replay(ctx context.Context, r *record.Reader, devs ...*Device) (*record.End, error) {
	return w.Replayer(r, devs...).End(ctx)
}

// ErrEnded is where the context of a recorded run was done.
var ErrEnded = errors.New("the recorded run was ended here")

// Run does what one [World.RunPaced] of the recorded run did: it ends where that
// one came to its limit, with its error if a process failed, or with [ErrEnded].
// Other errors are as those of [World.Replay], and every later Run returns them
// too.
func (p *Replayer) Run(ctx context.Context) error {
	pause, err := p.advance(ctx)
	switch {
	case err != nil:
		return err
	case !pause:
		return errors.New("the recorded run had ended here: this is not what was recorded")
	case len(p.w.failed) == 0 && p.w.ended:
		return ErrEnded
	}
	return errors.Join(p.w.failed...)
}

// End replays all that is left, and returns how the recorded run ended.
func (p *Replayer) End(ctx context.Context) (*record.End, error) {
	for {
		pause, err := p.advance(ctx)
		if err != nil {
			return nil, err
		}
		if !pause {
			return p.end, nil
		}
	}
}

// advance replays up to a pause, or to the end.
func (p *Replayer) advance(ctx context.Context) (pause bool, err error) {
	w := p.w
	if err := w.settleAddresses(); err != nil {
		return false, err
	}
	p.peek() // a device may refuse what leaves first
	w.resumeReady()
	w.leave()
	for {
		p.peek()
		switch {
		case p.misfit != nil:
			p.err = p.unfit(p.n)
			return false, p.err
		case p.err != nil:
			return false, p.err
		case p.end != nil:
			p.err = p.reach(ctx, p.n, p.end.Ran, p.end.Now)
			return false, p.err
		}
		now, n := p.in, p.n
		if err := p.reach(ctx, n, now.Ran, now.Now); err != nil {
			p.err = err
			return false, err
		}
		p.n++
		p.in, p.end, p.err = nextInput(p.r, p.devs)
		if p.cutOff() {
			return false, p.err
		}
		if now.Pause != 0 {
			if now.Pause == record.PausedForGood {
				w.endNets()
			}
			return true, nil
		}
		if err := errors.Join(w.failed...); err != nil {
			p.err = fmt.Errorf("input %d: a process had failed before it: this is not what was recorded: %w", n, err)
		} else if err := w.replayInput(p.devs, now); err != nil {
			p.err = fmt.Errorf("input %d: %w", n, err)
		}
	}
}

// peek reads what comes next.
func (p *Replayer) peek() {
	if !p.read {
		p.in, p.end, p.err = nextInput(p.r, p.devs)
		p.read = true
	}
}

// unfit is the error of what was asked before input n.
func (p *Replayer) unfit(n int) error { return fmt.Errorf("input %d: before it, %w", n, p.misfit) }

// nextInput reads the next input that comes from outside, or the end. What a
// device is going to refuse before that is remembered.
func nextInput(r *record.Reader, devs []*Device) (*record.Input, *record.End, error) {
	for {
		in, end, err := r.Next()
		if err != nil || end != nil {
			return in, end, err
		}
		if of := in.Packets != nil || in.Seen != nil || in.Lost > 0; of && in.Line >= len(devs) {
			return nil, nil, fmt.Errorf("an input is of device %d, and there are %d: this is not what was recorded", in.Line+1, len(devs))
		}
		if in.Lost == 0 {
			return in, nil, nil
		}
		d := devs[in.Line]
		d.refuse = append(d.refuse, *in)
	}
}

// refused reports what the device refused here when it was recorded.
func (d *Device) refused() (n int, why error) {
	if len(d.refuse) == 0 || d.refuse[0].Ran != d.w.loop.ran || d.refuse[0].Now != d.w.loop.now {
		return 0, nil
	}
	n, why = d.refuse[0].Lost, errors.New(d.refuse[0].Why)
	d.refuse = d.refuse[1:]
	return n, why
}

// reach runs the events before an input.
func (p *Replayer) reach(ctx context.Context, n int, ran uint64, now time.Duration) error {
	w := p.w
	for w.loop.ran < ran {
		if w.loop.ran&0xfff == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !w.Step() {
			return fmt.Errorf("input %d: the replay has come to rest after %d events, where the recording has %d: this is not what was recorded", n, w.loop.ran, ran)
		}
		if p.misfit != nil {
			return p.unfit(n)
		}
	}
	if w.loop.ran > ran || w.loop.now > now {
		return fmt.Errorf("input %d: the replay is at event %d, %v, where the recording is at event %d, %v: this is not what was recorded", n, w.loop.ran, w.loop.now, ran, now)
	}
	if next := w.loop.peek(); next != nil && next.at < now && !w.loop.late {
		return fmt.Errorf("input %d: the replay has an event at %v, where the recording has none up to %v: this is not what was recorded", n, next.at, now)
	}
	w.loop.now = now
	return nil
}

// replayInput lets a recorded input in, as enter did.
func (w *World) replayInput(devs []*Device, r *record.Input) error {
	in := input{command: r.Command, any: true}
	switch {
	case r.Taken && w.source == nil:
		return errors.New("something has happened to sockets of the machine, and nobody here has any: this is not what was recorded")
	case r.Taken:
		in = input{take: true}
	case r.Seen != nil:
		return w.replaySeen(devs[r.Line], r.Seen)
	case r.Call != nil:
		if r.Net < 0 || r.Net >= len(w.nets) {
			return fmt.Errorf("a posted call is for process %d of %d", r.Net, len(w.nets))
		}
		call, err := w.nets[r.Net].net.Replay(r.Call)
		if err != nil {
			return err
		}
		in = input{call: call}
	case r.Command != nil && w.handle == nil:
		return errors.New("a command, and nobody here carries out commands: this is not what was recorded")
	case r.Command != nil:
		in.f = func() { _ = w.handle(r.Command) } // its error was somebody's answer
	case r.Packets == nil:
		return errors.New("nothing has come in: this is not what was recorded")
	case devs[r.Line].cfg.Port != nil:
		for _, p := range r.Packets {
			pkt, err := packetOf(p)
			if err != nil {
				return err
			}
			in.packets, in.line = append(in.packets, pkt), devs[r.Line].line
		}
	default:
		dev := devs[r.Line]
		in.any = false
		in.f = func() {
			for _, p := range r.Packets {
				dev.Inject(p.Data)
			}
		}
	}
	w.admit(in)
	return nil
}
