// Package ladder writes a trace as a text ladder that a person reads from top
// to bottom: the calls of each host on its side, the states of its
// connections further inside, and the wire in the middle.
//
//	 0.000  connect(3, 10.0.0.2:80) ...
//	 0.000  SYN-SENT 49152 ── S   seq 0  mss 1460 sackOK ws 7 ──────────▶ 80
//	10.000           49152 ◀─── S.  seq 0  ack 1  mss 1460 sackOK ws 7 ── 80  SYN-RECEIVED
//	20.000     ESTAB 49152 ── .   ack 1 ────────────────────────────────▶ 80
//	20.000  ... connect = 0  (20 ms)
//	30.000                                     ESTAB  ... accept = 4  10.0.0.1:49152  (30 ms)
//
// Main types:
//
//	Ladder   the trace.Sink
//	Config   title, hosts in order, width, plain ASCII
//	Summary  what was counted on the way; the footer prints it
//
// How to read it: a packet is shown when it is sent. Its arrival shows in what
// it causes: a reply, a call that returns, a new state. A state that comes
// with neither gets a line of its own, with a dotted arrow for the packet that
// arrived. A call that waits is shown where it starts and where it returns.
//
// Theory of operation. An event becomes at most one row. A row waits in a
// queue until it is known what it says: a call until it returns or blocks, a
// state until a segment or a call of the same cause takes it onto its line, or
// time moves on. Rows leave the queue in order, pass the collapser, which
// shortens bulk transfers, and are drawn by a layout: two hosts face to face,
// up to five as a message sequence chart (four and more without the options of a
// SYN), or flat. The header waits for the end of the first instant, so that it
// can name the processes.
//
// Ownership: a Ladder belongs to the goroutine that emits the events.
package ladder
