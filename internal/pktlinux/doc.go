// Package pktlinux is the Linux kernel as a [packetdrill.Target]: a network
// namespace of its own with a TUN device, whose other end is the script, real
// sockets, and the wall clock. It needs root: CAP_SYS_ADMIN for the namespace
// and CAP_NET_ADMIN for the device. See docs/packetdrill.md, "Against Linux".
//
// The files: target_linux.go is the seam's methods and the clock; device_linux.go
// the namespace, the device and what is captured on it; thread_linux.go the
// threads that make calls; sockets_linux.go, message_linux.go and
// options_linux.go the calls; command_linux.go and its like what the commands of
// scripts do.
//
// One goroutine makes a Target and uses it, and it ends with it: see [Run].
package pktlinux

import "time"

// Config says how a script runs on the kernel.
type Config struct {
	// AllowShell runs commands that have no mapping with /bin/sh in the namespace,
	// as root. They can change the machine.
	AllowShell bool
	// Dir is the folder in which such commands run: that of the script.
	Dir string
	// Bound ends a script that takes longer; zero means a minute more than its
	// events say.
	Bound time.Duration
}
