// Command tunbench measures `fivetuple up` on TUN devices against the kernel's
// own TCP behind a veth pair, in network namespaces that it makes and that end
// with it. It needs root and prints a table and ratios; see docs/tun.md.
//
//	go run ./internal/tunbench -fivetuple bin/fivetuple
//
// The client is the same for all servers: blocking sockets of the kernel, with
// reads and writes of 256 KiB. The servers run side by side, and each round
// measures all of them in turn, so that a machine that slows down slows all.
package main
