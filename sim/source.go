package sim

import "context"

// Source is where more than packets comes from: sockets of the machine.
type Source interface {
	// Ready reports, without waiting, whether something has happened. The world
	// asks whenever it reads its port, whose Receive has to end for it.
	Ready() bool
	// Take lets what has happened enter the world: it makes threads ready. It is an
	// input of the run. What it takes is to be recorded by [World.Answered].
	Take()
}

// Attend makes the world ask a source, besides its port. Who has a source
// beside a world without a port calls [World.Ask] when something has happened. A
// world that replays a recording has to have its source too.
func (w *World) Attend(s Source) { w.source = s }

// Ask makes the world ask its source, and waits until it has: for other
// goroutines, while the world runs. It reports false if ctx is done before.
func (w *World) Ask(ctx context.Context) bool {
	asked := make(chan struct{})
	if ctx.Err() != nil || !w.post(ctx.Done(), input{ask: asked}) {
		return false
	}
	select {
	case <-asked:
		return true
	case <-ctx.Done():
		return false
	}
}
