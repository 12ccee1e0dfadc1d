// Command tunbench measures `fivetuple up` on TUN devices against the kernel's
// own TCP behind a veth pair, and against other user-space stacks, in network
// namespaces that it makes and that end with it. It needs root and prints
// tables and ratios; docs/benchmarks.md describes them.
//
//	go run ./internal/tunbench -fivetuple bin/fivetuple
//
// The client is the same for all servers: blocking sockets of the kernel, with
// reads and writes of 256 KiB. The servers run side by side, and each round
// measures all of them in turn, so that a machine that slows down slows all.
//
// Three processes take part. The outer one builds the peers, says which are
// missing, and starts the lab: a copy in a network, process and mount namespace
// of its own, which is the client. When the lab ends, however it ends, the
// kernel ends every process in it, and with them their namespaces and devices.
// Holders are copies of the program that hold a network namespace each, or serve in
// one with the kernel's TCP.
package main
