// Package sim runs hosts, links and processes in deterministic virtual time,
// or the same ones paced by the wall clock.
//
// Main types:
//
//	World    everything one loop runs: clock, hosts, links, seed, trace
//	Host     one IP stack and its processes
//	Link     a connection between two interfaces: two directed pipes
//	Switch   an Ethernet switch that learns
//	Device   a link end outside the world: a TUN device, or a test
//	Limit    how far to run: until quiet, until a time
//
// A World owns one loop. It pops the earliest event, runs it, settles the host
// it touched, moves that host's packets onto their links, resumes the processes
// that became ready in the order in which they were spawned, and settles
// again; then it takes the next event. Events of the same instant run in the
// order in which they were scheduled.
//
// Two drivers share everything else: [World.Run] jumps to the next event,
// [World.RunPaced] waits for the wall clock and takes packets from devices and
// posted calls as events, stamped on arrival.
//
// Ownership: everything reachable from a World belongs to the goroutine that
// runs it. netstack's workers run only inside stack.Settle, while that
// goroutine waits. Other goroutines may call [World.Post], [Device.Post] and what
// [Host.Net] returns, and nothing else.
package sim
