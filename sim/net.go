package sim

import (
	"context"

	"fivetuple/sockapi"
)

// outsideNet is a process that code outside of the world has.
type outsideNet struct {
	net  *sockapi.Net
	proc *sockapi.Process
}

// Net starts a process that makes socket calls for code outside of the world:
// an ordinary Go program, whose net.Conn and net.Listener they are. Any
// goroutine may use what it returns, while the world is run by
// [World.RunPaced]; before and between such runs, operations wait. They fail
// with net.ErrClosed once a run has ended because its context was done or a
// process failed, and after [World.Hangup] and [World.Close]. A run that has
// reached its limit may be followed by another one: operations wait for it.
//
// Its operations are inputs of the run, which [World.Record] records. In a world
// that replays them, each Net has to be made where it was made then.
//
// The process is a daemon. Net itself is called by the goroutine that owns the
// world.
func (h *Host) Net(name string) *sockapi.Net {
	w := h.w
	n, main := sockapi.OutsideNet(outside{w, len(w.nets)})
	if w.ended {
		n.End()
	}
	w.nets = append(w.nets, outsideNet{n, h.SpawnConfig(SpawnConfig{Name: name, Daemon: true}, main)})
	return n
}

// endNetsAfter is endNets after a run that was ended.
func (w *World) endNetsAfter(ctx context.Context) {
	if ctx.Err() != nil || len(w.failed) > 0 {
		w.endNets()
	}
}

// endNets lets go of all code outside of the world: the threads that work for
// it are ended first, so that none touches its buffers later. Their sockets
// stay as they are.
func (w *World) endNets() {
	if w.ended {
		return
	}
	w.ended = true
	for _, n := range w.nets {
		for _, t := range w.threads.all() {
			if t.p.Process == n.proc {
				t.kill()
				w.threads.end()
			}
		}
		n.net.End()
	}
	close(w.over)
}
