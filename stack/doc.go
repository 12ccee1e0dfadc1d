// Package stack is one host's IP stack: gVisor's netstack, unmodified, behind
// our names.
//
// Main types:
//
//	Stack      TCP, UDP, ICMP over IPv4 and IPv6; routes, addresses, end points
//	Interface  one attachment to a link: point to point (L3) or Ethernet (L2)
//	Packet     one packet on its way between two interfaces
//	Clock      the time the stack lives in; the simulator or the wall supplies it
//	Config     everything that can be set, with Linux's or netstack's defaults
//
// It knows neither worlds nor processes: it hands outgoing packets to a
// function and reports its end points when asked.
//
// # Determinism
//
// netstack does its TCP work on a worker goroutine. Here that worker is always
// paused, except inside [Stack.Settle], which lets it run until it has nothing
// left to do and pauses it again. So the caller and the worker never run at the
// same time, whatever the number of processors, and a stack is a function of
// its inputs. Random numbers come from (seed, host name).
//
// Ownership: a Stack belongs to one goroutine. Everything here, [Clock]
// included, is called by that goroutine or by the worker while that goroutine
// waits in Settle; no locks are needed, and none are taken.
//
// Only this package and sockapi import gVisor; tcpip.Error leaves neither.
package stack
