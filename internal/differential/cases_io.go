package main

import (
	"maps"
	"slices"
	"strings"

	"fivetuple/sockapi"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// udp makes a bound datagram socket that does not block.
func udp(r *run, port int) int {
	s := r.socket(sockapi.AF_INET, sockapi.SOCK_DGRAM)
	r.bind(s, at(lo4, port))
	r.nonblock(s)
	return s
}

// datagrams are programs with UDP sockets.
//
// table: one entry a program.
func datagrams() []program {
	return named("udp", map[string]func(*run){
		"unbound recv": func(r *run) {
			s := r.socket(sockapi.AF_INET, sockapi.SOCK_DGRAM)
			r.nonblock(s)
			r.recv(s, 10, 0)
			r.sockname(s)
		},
		"send without address": func(r *run) { r.send(udp(r, 5400), "x", 0) },
		"peername unconnected": func(r *run) { r.peername(udp(r, 5400)) },
		"shutdown unconnected": func(r *run) { r.shutdown(udp(r, 5400), sockapi.SHUT_RDWR) },
		"listen":               func(r *run) { r.listen(udp(r, 5400), 1) },
		"accept":               func(r *run) { r.accept(udp(r, 5400)) },
		"poll fresh":           func(r *run) { r.poll(r.socket(sockapi.AF_INET, sockapi.SOCK_DGRAM)) },
		"names after connect": func(r *run) {
			s := r.socket(sockapi.AF_INET, sockapi.SOCK_DGRAM)
			r.connect(s, at(lo4, 5401))
			r.sockname(s)
			r.peername(s)
		},
		"connect again": func(r *run) {
			s := udp(r, 5400)
			r.connect(s, at(lo4, 5401))
			r.connect(s, at(lo4, 5402))
			r.peername(s)
		},
		"send to port 0":    func(r *run) { r.sendto(udp(r, 5400), "x", 0, at(lo4, 0)) },
		"too long":          func(r *run) { r.sendto(udp(r, 5400), strings.Repeat("x", 65508), 0, at(lo4, 5401)) },
		"broadcast refused": func(r *run) { r.sendto(udp(r, 5400), "x", 0, at("255.255.255.255", 5401)) },
		"sendto while connected": func(r *run) {
			a, b, c := udp(r, 5400), udp(r, 5401), udp(r, 5402)
			r.connect(a, at(lo4, 5401))
			r.sendto(a, "x", 0, at(lo4, 5402))
			r.recv(b, 10, 0)
			r.recv(c, 10, 0)
		},
		"empty datagram": func(r *run) {
			a, b := udp(r, 5400), udp(r, 5401)
			r.sendto(a, "", 0, at(lo4, 5401))
			r.poll(b)
			r.recv(b, 10, 0)
			r.recv(b, 10, 0)
		},
		"boundaries": func(r *run) {
			a, b := udp(r, 5400), udp(r, 5401)
			r.sendto(a, "one", 0, at(lo4, 5401))
			r.sendto(a, "two", 0, at(lo4, 5401))
			r.ioctl(b, sockapi.FIONREAD)
			r.recv(b, 10, 0)
			r.recv(b, 10, 0)
			r.recv(b, 10, 0)
		},
		"truncation": func(r *run) {
			a, b := udp(r, 5400), udp(r, 5401)
			r.sendto(a, "abcdef", 0, at(lo4, 5401))
			r.sendto(a, "ghi", 0, at(lo4, 5401))
			r.recv(b, 4, 0)
			r.recv(b, 10, 0)
		},
		"MSG_TRUNC": func(r *run) {
			a, b := udp(r, 5400), udp(r, 5401)
			r.sendto(a, "abcdef", 0, at(lo4, 5401))
			r.recv(b, 4, sockapi.MSG_TRUNC)
		},
		"recv of 0 bytes": func(r *run) {
			a, b := udp(r, 5400), udp(r, 5401)
			r.sendto(a, "abc", 0, at(lo4, 5401))
			r.recv(b, 0, 0)
			r.recv(b, 10, 0)
		},
		"peek": func(r *run) {
			a, b := udp(r, 5400), udp(r, 5401)
			r.sendto(a, "abc", 0, at(lo4, 5401))
			r.recv(b, 10, sockapi.MSG_PEEK)
			r.recv(b, 10, 0)
		},
		"port unreachable": func(r *run) {
			s := udp(r, 5400)
			r.connect(s, at(lo4, 5499))
			r.send(s, "x", 0)
			r.poll(s)
			r.recv(s, 10, 0)
			r.send(s, "y", 0)
		},
		"port unreachable, SO_ERROR": func(r *run) {
			s := udp(r, 5400)
			r.connect(s, at(lo4, 5499))
			r.send(s, "x", 0)
			r.soError(s)
			r.recv(s, 10, 0)
		},
		"only from the peer": func(r *run) {
			a, b, c := udp(r, 5400), udp(r, 5401), udp(r, 5402)
			r.connect(a, at(lo4, 5401))
			r.sendto(c, "stranger", 0, at(lo4, 5400))
			r.sendto(b, "peer", 0, at(lo4, 5400))
			r.recv(a, 20, 0)
			r.recv(a, 20, 0)
		},
		"disconnect": func(r *run) {
			s := udp(r, 5400)
			r.connect(s, at(lo4, 5401))
			r.connect(s, "")
			r.peername(s)
			r.sockname(s)
			r.send(s, "x", 0)
		},
		"shutdown connected": func(r *run) {
			s := udp(r, 5400)
			r.connect(s, at(lo4, 5401))
			r.shutdown(s, sockapi.SHUT_WR)
			r.send(s, "x", 0)
			r.shutdown(s, sockapi.SHUT_RD)
			r.recv(s, 10, 0)
			r.poll(s)
		},
		"loop to itself": func(r *run) { s := udp(r, 5400); r.sendto(s, "me", 0, at(lo4, 5400)); r.recv(s, 10, 0) },
		"wildcard receives": func(r *run) {
			w := r.socket(sockapi.AF_INET, sockapi.SOCK_DGRAM)
			r.bind(w, at("0.0.0.0", 5403))
			r.nonblock(w)
			a := udp(r, 5400)
			r.sendto(a, "x", 0, at("127.0.0.1", 5403))
			r.recv(w, 10, 0)
			r.sockname(w)
		},
	})
}

// streams are programs with TCP connections.
//
// table: one entry a program.
func streams() []program {
	return named("tcp", map[string]func(*run){
		"echo": func(r *run) {
			s, c := pair(r)
			r.send(s, "ping", 0)
			r.recv(c, 10, 0)
			r.send(c, "pong", 0)
			r.recv(s, 10, 0)
		},
		"no boundaries": func(r *run) { s, c := pair(r); r.send(s, "one", 0); r.send(s, "two", 0); r.recv(c, 10, 0) },
		"partial reads": func(r *run) {
			s, c := pair(r)
			r.send(s, "abcdef", 0)
			r.recv(c, 2, 0)
			r.ioctl(c, sockapi.SIOCINQ)
			r.recv(c, 2, 0)
			r.recv(c, 10, 0)
			r.recv(c, 10, 0)
		},
		"peek then read": func(r *run) {
			s, c := pair(r)
			r.send(s, "abcdef", 0)
			r.recv(c, 3, sockapi.MSG_PEEK)
			r.recv(c, 10, 0)
		},
		"recv of 0 bytes":            func(r *run) { s, c := pair(r); r.send(s, "abc", 0); r.recv(c, 0, 0); r.recv(c, 10, 0) },
		"MSG_DONTWAIT":               func(r *run) { s, _ := pair(r); r.recv(s, 10, sockapi.MSG_DONTWAIT) },
		"MSG_WAITALL, not all there": func(r *run) { s, c := pair(r); r.send(s, "abc", 0); r.recv(c, 10, sockapi.MSG_WAITALL) },
		"data, then end of stream": func(r *run) {
			s, c := pair(r)
			r.send(s, "bye", 0)
			r.shutdown(s, sockapi.SHUT_WR)
			r.recv(c, 10, 0)
			r.recv(c, 10, 0)
			r.recv(c, 10, 0)
			r.poll(c)
		},
		"half-close": func(r *run) {
			s, c := pair(r)
			r.shutdown(s, sockapi.SHUT_WR)
			r.recv(c, 10, 0)
			r.send(c, "still", 0)
			r.recv(s, 10, 0)
			r.poll(s)
		},
		"send after shutdown": func(r *run) { s, _ := pair(r); r.shutdown(s, sockapi.SHUT_WR); r.send(s, "x", 0) },
		"send after the peer closed": func(r *run) {
			s, c := pair(r)
			r.close(c)
			r.send(s, "x", 0)
			r.send(s, "y", 0)
			r.recv(s, 10, 0)
			r.poll(s)
		},
		"close with unread data resets": func(r *run) { s, c := pair(r); r.send(s, "unread", 0); r.close(c); r.recv(s, 10, 0); r.recv(s, 10, 0) },
		"reset with unread data": func(r *run) {
			s, c := pair(r)
			r.send(c, "data", 0)
			r.linger(c, true, 0)
			r.close(c)
			r.poll(s)
			r.recv(s, 10, 0)
			r.recv(s, 10, 0)
		},
		"reset, SO_ERROR": func(r *run) {
			s, c := pair(r)
			r.linger(c, true, 0)
			r.close(c)
			r.soError(s)
			r.soError(s)
			r.recv(s, 10, 0)
		},
		"reset, send": func(r *run) { s, c := pair(r); r.linger(c, true, 0); r.close(c); r.send(s, "x", 0); r.send(s, "x", 0) },
		"refused, then again": func(r *run) {
			s := r.socket(sockapi.AF_INET, sockapi.SOCK_STREAM)
			r.connect(s, at(lo4, 5599))
			r.connect(s, at(lo4, 5599))
		},
		"refused, then to a listener": func(r *run) {
			l := listener(r)
			s := r.socket(sockapi.AF_INET, sockapi.SOCK_STREAM)
			r.connect(s, at(lo4, 5599))
			r.connect(s, at(lo4, 5200))
			r.accept(l)
		},
		"connect twice": func(r *run) { s, _ := pair(r); r.connect(s, at(lo4, 5200)) },
		"connect to the wildcard": func(r *run) {
			l := listener(r)
			s := r.socket(sockapi.AF_INET, sockapi.SOCK_STREAM)
			r.connect(s, at("0.0.0.0", 5200))
			r.peername(s)
			r.accept(l)
		},
		"connect to port 0":  func(r *run) { s := r.socket(sockapi.AF_INET, sockapi.SOCK_STREAM); r.connect(s, at(lo4, 0)) },
		"connect, AF_UNSPEC": func(r *run) { s, _ := pair(r); r.connect(s, ""); r.peername(s) },
		"unreachable":        func(r *run) { s := r.socket(sockapi.AF_INET, sockapi.SOCK_STREAM); r.connect(s, "192.0.2.1:80") },
		"bind to a foreign address": func(r *run) {
			s := r.socket(sockapi.AF_INET, sockapi.SOCK_STREAM)
			r.bind(s, "192.0.2.1:80")
			r.sockname(s)
		},
		"bind twice": func(r *run) {
			s := r.socket(sockapi.AF_INET, sockapi.SOCK_STREAM)
			r.bind(s, at(lo4, 5600))
			r.bind(s, at(lo4, 5601))
			r.sockname(s)
		},
		"bind to port 0": func(r *run) {
			s := r.socket(sockapi.AF_INET, sockapi.SOCK_STREAM)
			r.bind(s, at(lo4, 0))
			r.sockname(s)
		},
		"failed bind, then listen": func(r *run) {
			listener(r)
			s := r.socket(sockapi.AF_INET, sockapi.SOCK_STREAM)
			r.bind(s, at(lo4, 5200))
			r.listen(s, 1)
			r.sockname(s)
		},
		"listen unbound": func(r *run) { s := r.socket(sockapi.AF_INET, sockapi.SOCK_STREAM); r.listen(s, 1); r.sockname(s) },
		"listen twice":   func(r *run) { l := listener(r); r.listen(l, 8) },
		"port after close of listener": func(r *run) {
			l := listener(r)
			r.close(l)
			s := r.socket(sockapi.AF_INET, sockapi.SOCK_STREAM)
			r.bind(s, at(lo4, 5200))
			r.listen(s, 1)
		},
		"close of listener resets the queue": func(r *run) {
			l := listener(r)
			s := r.socket(sockapi.AF_INET, sockapi.SOCK_STREAM)
			r.connect(s, at(lo4, 5200))
			r.close(l)
			r.nonblock(s)
			r.recv(s, 10, 0)
		},
		"shutdown of listener": func(r *run) { l := listener(r); r.shutdown(l, sockapi.SHUT_RD); r.accept(l); r.poll(l); r.listen(l, 1) },
		"accept queue order": func(r *run) {
			l := listener(r)
			a, b := r.socket(sockapi.AF_INET, sockapi.SOCK_STREAM), r.socket(sockapi.AF_INET, sockapi.SOCK_STREAM)
			r.bind(a, at(lo4, 5201))
			r.bind(b, at(lo4, 5202))
			r.connect(a, at(lo4, 5200))
			r.connect(b, at(lo4, 5200))
			r.poll(l)
			r.accept(l)
			r.accept(l)
			r.accept(l)
		},
		"data before accept": func(r *run) {
			l := listener(r)
			s := r.socket(sockapi.AF_INET, sockapi.SOCK_STREAM)
			r.connect(s, at(lo4, 5200))
			r.send(s, "early", 0)
			c := r.accept(l)
			r.nonblock(c)
			r.recv(c, 10, 0)
		},
		"closed before accept": func(r *run) {
			l := listener(r)
			s := r.socket(sockapi.AF_INET, sockapi.SOCK_STREAM)
			r.connect(s, at(lo4, 5200))
			r.close(s)
			c := r.accept(l)
			r.nonblock(c)
			r.recv(c, 10, 0)
			r.peername(c)
		},
		"dup shares": func(r *run) {
			s, c := pair(r)
			d := r.dup(s)
			r.close(s)
			r.send(d, "x", 0)
			r.recv(c, 10, 0)
			r.close(d)
			r.recv(c, 10, 0)
		},
		"accepted inherits options": func(r *run) {
			l := listener(r)
			r.set(l, sockapi.IPPROTO_TCP, sockapi.TCP_NODELAY, 1)
			r.set(l, sockapi.SOL_SOCKET, sockapi.SO_KEEPALIVE, 1)
			s := r.socket(sockapi.AF_INET, sockapi.SOCK_STREAM)
			r.connect(s, at(lo4, 5200))
			c := r.accept(l)
			r.get(c, sockapi.IPPROTO_TCP, sockapi.TCP_NODELAY)
			r.get(c, sockapi.SOL_SOCKET, sockapi.SO_KEEPALIVE)
		},
		"connect to itself": func(r *run) {
			s := r.socket(sockapi.AF_INET, sockapi.SOCK_STREAM)
			r.bind(s, at(lo4, 5700))
			r.connect(s, at(lo4, 5700))
			r.peername(s)
			r.nonblock(s)
			r.send(s, "me", 0)
			r.recv(s, 10, 0)
		},
		"same five-tuple twice": func(r *run) {
			listener(r)
			for range 2 {
				s := r.socket(sockapi.AF_INET, sockapi.SOCK_STREAM)
				r.set(s, sockapi.SOL_SOCKET, sockapi.SO_REUSEADDR, 1)
				r.bind(s, at(lo4, 5701))
				r.connect(s, at(lo4, 5200))
			}
		},
	})
}
