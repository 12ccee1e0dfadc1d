// Package capture turns a TCP connection of a packet capture into a
// packetdrill script: docs/packetdrill.md, "From a capture".
//
//	Read    a pcap or pcapng file → [File], its TCP connections
//	Import  one connection → [Script]: the script's tree with its comments
//
// The files, in the order in which a packet passes through them: read.go for
// the file, link.go for the link layer, packet.go for IP, TCP and ICMP, stream.go
// for connections, side.go for whose script it is and when its packets came,
// plan.go for what the calls must have been, script.go and calls.go for the
// script's events, notes.go for what a reader of it must know.
//
// A capture has packets and no calls. The calls are inferred from what was
// sent; docs/packetdrill.md has the rules.
package capture
