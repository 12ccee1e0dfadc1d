// Command differential runs one table of socket programs twice: against Linux's
// own sockets, on loopback inside a fresh network namespace, and against
// sockapi in a simulated host. What each call returns must be equal, errno by
// errno. The differences that are known are named in known.go with their cause;
// it fails when one disappears, or when a new one appears.
//
// `make differential` runs it. It needs Linux and the privilege to make a
// network namespace.
package main
