// Package sockapi is the Berkeley socket API for one process: descriptors,
// calls, options, poll and errno, as Linux has them, on a host's stack.
//
// Main types:
//
//	Proc    one thread of a process; its methods are the socket calls
//	Errno   Linux's error numbers, on every platform
//	Error   a failed call: which, with what arguments, why
//	Option  one row of the table of socket options
//	Kernel  what a process needs of the world it lives in
//	Parker  how one thread waits: the only thing that differs between clocks
//	Net     package net's Dial and Listen, on the calls of a process
//
// A call either returns at once or parks its thread; block, in block.go, is the
// only place that waits. Descriptors are the lowest free numbers; 0 to 2 are
// taken at first, by /dev/null. Threads share their process's table, fork copies
// it, and what a descriptor names is shared by dup and fork until the last one
// is closed and no call is in progress on it.
//
// Ownership: a process belongs to the goroutine that runs its world; other ones
// reach it through a [Net] that was made for them. netstack's
// worker touches it in one way: it calls [Parker.Wake], while that goroutine
// waits in stack.Settle.
package sockapi
