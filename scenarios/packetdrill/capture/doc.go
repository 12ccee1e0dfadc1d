// Package capture turns a TCP connection of a packet capture into a
// packetdrill script: docs/packetdrill.md, "From a capture".
//
//	Read    a pcap or pcapng file → [File], its TCP connections
//	Import  one connection → [Script]: the script's tree with its comments
//
// The files, in the order in which a packet passes through them: read.go for
// the file, link.go for the link layer, packet.go for IP, TCP and ICMP, stream.go
// for connections, side.go for whose script it is and when its packets came,
// calls.go for the socket calls that explain what was sent, script.go for the
// script, notes.go for what a reader of it must know.
//
// A capture has packets and no calls. The calls are inferred, so there can be
// more than one way to explain the packets: [Import] takes a [Guess].
package capture
