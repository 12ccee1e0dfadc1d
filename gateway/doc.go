// Package gateway passes connections and datagrams on, from a host of the lab
// to sockets of the machine: what a program in a network namespace sends to any
// address ends in netstack, and goes on from an ordinary socket.
//
//	client 10.77.0.1:49152 ─► 192.0.2.5:80 in netstack │ 172.16.0.7:41234 ─► 192.0.2.5:80
//
// So the five-tuple before and the one after are both visible, and the link
// between client and netstack can be impaired.
//
// # How it works
//
// [Gateway.Serve] is a process of the lab, with one thread. It is told of three
// things, marks flows as ready for each of them, and lets each ready flow take
// a step, which never waits:
//
//   - Arrivals: a SYN, a datagram or an echo request of no flow that it knows, at
//     an interface whose packets it has diverted ([stack.Interface.Divert]).
//   - Inside: a socket of netstack can be read or written ([sockapi.Watch]).
//   - Outside: a socket of the machine can, as an epoll instance says, which the
//     world's loop waits for together with its TUN device ([sim.Source]).
//
// There is no other goroutine, and no hop between the two sockets of a flow.
//
// A TCP flow holds back the SYN until the outside connection is there. Then it
// listens at the address that the SYN is for, gives the SYN to netstack, and
// accepts. If the outside connection fails, the SYN is answered as the outside
// did: with a RST, or an ICMP error. So a program sees what it would see without a
// gateway. From then on bytes are read only when there is room for them
// on the other side, or at most one buffer of 256 KiB a direction: a reader
// that does not read stops the sender through both windows. FIN and RST of one
// side become FIN and RST of the other.
//
// A UDP flow is a five-tuple with a socket on each side, until nothing has
// passed for a while (RFC 4787, section 4.3). ICMP echo goes through a ping
// socket of the machine (icmp(7)).
//
// # Recordings
//
// All that a gateway learns of the machine are the answers to calls on its
// sockets, and all of its decisions follow from them and from the world. So a
// gateway of [NewRecorded] takes them down, and one of [NewReplayed] is given them
// in the same order, and does the same without a socket, on every system.
//
// # Ownership
//
// Everything belongs to the world's goroutine, but [Gateway.Feed].
package gateway
