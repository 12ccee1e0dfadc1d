package sim

import (
	"errors"
	"fmt"

	"fivetuple/sim/record"
)

// This file is for processes of the world that ask the machine: what sockets of
// the machine answer is recorded too. What they are asked follows from the
// inputs.

// Answered records what the machine has answered to a question, which is short
// text. A process of the world asks, or its [Source]'s Take.
func (w *World) Answered(question, answer []byte) {
	if w.rec == nil {
		return
	}
	if err := w.rec.Answer(question, answer); err != nil {
		w.Fail(fmt.Errorf("recording: %w", err))
		w.rec = nil
	}
}

// Answer is what the machine answered to this question when the run was recorded.
// It is valid until the next one. It is to be asked as it was then, from the
// making of the world on; ok is false once it is not. The replay ends then, and
// whoever has asked is to do nothing more.
func (p *Replayer) Answer(question []byte) (answer []byte, ok bool) {
	p.asked = true
	p.peek()
	if p.misfit != nil {
		return nil, false
	}
	was, answer, ok := p.r.Answer()
	switch {
	case ok && string(was) == string(question):
		return answer, true
	case ok:
		p.Misfit(fmt.Errorf("the machine is asked to %q, and was asked to %q then", question, was))
	case !errors.Is(p.err, record.ErrCut):
		p.Misfit(fmt.Errorf("the machine is asked to %q, and was asked nothing more then", question))
	}
	return nil, false
}

// Misfit ends the replay: the recording has what cannot be.
func (p *Replayer) Misfit(err error) {
	if p.misfit == nil {
		p.misfit = fmt.Errorf("%w: this is not what was recorded", err)
	}
}

// cutOff reports whether an input may lack answers to what it led to: nothing
// follows it.
func (p *Replayer) cutOff() bool { return p.asked && errors.Is(p.err, record.ErrCut) }
