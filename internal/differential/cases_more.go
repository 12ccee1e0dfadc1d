package main

import "fivetuple/sockapi"

// both makes a program for each type of socketpair.
func both(name string, out map[string]func(*run), program func(r *run, typ int)) {
	for what, typ := range map[string]int{"stream": sockapi.SOCK_STREAM, "datagram": sockapi.SOCK_DGRAM, "seqpacket": sockapi.SOCK_SEQPACKET} {
		out[name+", "+what] = func(r *run) { program(r, typ) }
	}
}

// pairs are programs with socketpair.
func pairs() []program {
	out := map[string]func(*run){
		"inet":         func(r *run) { r.socketpair(sockapi.AF_INET, sockapi.SOCK_STREAM, 0) },
		"inet raw":     func(r *run) { r.socketpair(sockapi.AF_INET, sockapi.SOCK_DGRAM, 77) },
		"bad protocol": func(r *run) { r.socketpair(sockapi.AF_UNIX, sockapi.SOCK_STREAM, 6) },
		"bad type":     func(r *run) { r.socketpair(sockapi.AF_UNIX, 4, 0) },
		"bad family":   func(r *run) { r.socketpair(77, sockapi.SOCK_STREAM, 0) },
	}
	both("exchange", out, func(r *run, typ int) {
		a, b := r.socketpair(sockapi.AF_UNIX, typ, 0)
		r.poll(a)
		r.send(a, "one", 0)
		r.send(a, "two", 0)
		r.poll(b)
		r.ioctl(b, sockapi.FIONREAD)
		r.recv(b, 2, sockapi.MSG_PEEK)
		r.recv(b, 2, 0)
		r.recv(b, 10, 0)
		r.recv(b, 10, 0)
	})
	both("peer closed", out, func(r *run, typ int) {
		a, b := r.socketpair(sockapi.AF_UNIX, typ, 0)
		r.send(a, "last", 0)
		r.close(a)
		r.poll(b)
		r.recv(b, 10, 0)
		r.recv(b, 10, 0)
		r.send(b, "x", 0)
		r.send(b, "x", 0)
		r.soError(b)
	})
	both("peer closed with unread data", out, func(r *run, typ int) {
		a, b := r.socketpair(sockapi.AF_UNIX, typ, 0)
		r.send(b, "never read", 0)
		r.close(a)
		r.poll(b)
		r.recv(b, 10, 0)
		r.recv(b, 10, 0)
	})
	both("half close", out, func(r *run, typ int) {
		a, b := r.socketpair(sockapi.AF_UNIX, typ, 0)
		r.shutdown(a, sockapi.SHUT_WR)
		r.poll(a)
		r.poll(b)
		r.send(a, "x", 0)
		r.send(b, "back", 0)
		r.recv(a, 10, 0)
		r.recv(b, 10, 0)
	})
	both("shut for reading", out, func(r *run, typ int) {
		a, b := r.socketpair(sockapi.AF_UNIX, typ, 0)
		r.shutdown(a, sockapi.SHUT_RD)
		r.poll(a)
		r.poll(b)
		r.recv(a, 10, 0)
		r.send(b, "x", 0)
	})
	both("shut both ways", out, func(r *run, typ int) {
		a, b := r.socketpair(sockapi.AF_UNIX, typ, 0)
		r.shutdown(a, sockapi.SHUT_RDWR)
		r.poll(a)
		r.poll(b)
		r.recv(a, 10, 0)
		r.recv(b, 10, 0)
	})
	both("other calls", out, func(r *run, typ int) {
		a, _ := r.socketpair(sockapi.AF_UNIX, typ, 0)
		r.get(a, sockapi.SOL_SOCKET, sockapi.SO_TYPE)
		r.get(a, sockapi.SOL_SOCKET, sockapi.SO_DOMAIN)
		r.get(a, sockapi.SOL_SOCKET, sockapi.SO_PROTOCOL)
		r.get(a, sockapi.SOL_SOCKET, sockapi.SO_ACCEPTCONN)
		r.connect(a, at(lo4, 5900))
		r.bind(a, at(lo4, 5900))
		r.listen(a, 1)
		r.accept(a)
		r.sockname(a)
		r.peername(a)
	})
	return named("pair", out)
}

// files are programs with files that are no sockets.
//
// table: one entry a program.
func files() []program {
	return named("file", map[string]func(*run){
		"read and write": func(r *run) {
			f := r.memfd("hello, world")
			r.read(f, 10)
			r.lseek(f, 0, 0)
			r.read(f, 5)
			r.lseek(f, 2, 1)
			r.read(f, 5)
			r.lseek(f, -3, 2)
			r.read(f, 5)
			r.lseek(f, -30, 2)
			r.lseek(f, 0, 9)
			r.lseek(f, 20, 0)
			r.write(f, "!")
			r.lseek(f, 0, 2)
		},
		"socket calls": func(r *run) {
			f := r.memfd("x")
			r.bind(f, at(lo4, 5900))
			r.recv(f, 1, 0)
			r.send(f, "x", 0)
			r.poll(f)
			r.shutdown(f, 0)
			r.lseek(r.socket(sockapi.AF_INET, sockapi.SOCK_STREAM), 0, 0)
		},
		"sendfile": func(r *run) {
			a, b := r.socketpair(sockapi.AF_UNIX, sockapi.SOCK_STREAM, 0)
			f := r.memfd("0123456789")
			r.sendfile(a, f, 0, 4)
			r.sendfile(a, f, 8, 100)
			r.sendfile(a, f, 100, 4)
			r.sendfile(a, f, -1, 4)
			r.lseek(f, 2, 0)
			r.sendfile(a, f, -1, 4)
			r.lseek(f, 0, 1)
			r.recv(b, 100, 0)
		},
		"sendfile, wrong": func(r *run) {
			a, b := r.socketpair(sockapi.AF_UNIX, sockapi.SOCK_STREAM, 0)
			f := r.memfd("0123456789")
			r.sendfile(a, b, -1, 4)
			r.sendfile(900, f, -1, 4)
			r.sendfile(a, 900, -1, 4)
			r.close(b)
			r.sendfile(r.socket(sockapi.AF_INET, sockapi.SOCK_STREAM), f, 0, 4)
		},
		"sendfile over TCP": func(r *run) {
			c, s := pair(r)
			f := r.memfd("0123456789")
			r.sendfile(c, f, 0, 10)
			r.recv(s, 100, 0)
		},
		"sendfile over UDP": func(r *run) {
			a, b := udp(r, 5400), udp(r, 5401)
			r.connect(a, at(lo4, 5401))
			r.sendfile(a, r.memfd("0123456789"), 0, 4)
			r.recv(b, 100, 0)
		},
	})
}

// raws are programs with raw, ping and packet sockets.
//
// table: one entry a program.
func raws() []program {
	echo := "\x08\x00\x00\x00\x00\x00\x00\x01ping"
	return named("raw", map[string]func(*run){
		"protocol 0":     func(r *run) { r.socketProto(sockapi.AF_INET, sockapi.SOCK_RAW, 0) },
		"protocol 300":   func(r *run) { r.socketProto(sockapi.AF_INET, sockapi.SOCK_RAW, 300) },
		"stream of ICMP": func(r *run) { r.socketProto(sockapi.AF_INET, sockapi.SOCK_STREAM, sockapi.IPPROTO_ICMP) },
		"names": func(r *run) {
			s := r.socketProto(sockapi.AF_INET, sockapi.SOCK_RAW, sockapi.IPPROTO_ICMP)
			r.bind(s, at(lo4, 0))
			r.connect(s, at("127.0.0.2", 0))
			r.get(s, sockapi.SOL_SOCKET, sockapi.SO_TYPE)
			r.get(s, sockapi.SOL_SOCKET, sockapi.SO_PROTOCOL)
			r.get(s, sockapi.IPPROTO_IP, sockapi.IP_HDRINCL)
			r.set(s, sockapi.IPPROTO_IP, sockapi.IP_HDRINCL, 1)
			r.get(s, sockapi.IPPROTO_IP, sockapi.IP_HDRINCL)
			r.listen(s, 1)
			r.accept(s)
			r.poll(s)
		},
		"sees UDP too": func(r *run) {
			s := r.socketProto(sockapi.AF_INET, sockapi.SOCK_RAW, sockapi.IPPROTO_UDP)
			r.nonblock(s)
			a, b := udp(r, 5400), udp(r, 5401)
			r.sendto(a, "both", 0, at(lo4, 5401))
			r.recv(b, 10, 0)
			r.poll(s)
			n, err := r.Ioctl(s, sockapi.FIONREAD)
			r.add(err, sizeOf(n), "FIONREAD")
		},
		"send without address": func(r *run) {
			r.send(r.socketProto(sockapi.AF_INET, sockapi.SOCK_RAW, sockapi.IPPROTO_ICMP), echo, 0)
		},
		"to IPv6": func(r *run) {
			r.sendto(r.socketProto(sockapi.AF_INET, sockapi.SOCK_RAW, sockapi.IPPROTO_ICMP), echo, 0, "[::1]:0")
		},
		"raw only sends": func(r *run) {
			s := r.socketProto(sockapi.AF_INET, sockapi.SOCK_RAW, sockapi.IPPROTO_RAW)
			r.get(s, sockapi.IPPROTO_IP, sockapi.IP_HDRINCL)
			r.nonblock(s)
			r.recv(s, 10, 0)
		},
		"packet: wrong calls": func(r *run) {
			s := r.socketProto(sockapi.AF_PACKET, sockapi.SOCK_DGRAM, 0)
			r.nonblock(s)
			r.bind(s, at(lo4, 5900))
			r.listen(s, 1)
			r.accept(s)
			r.shutdown(s, 0)
			r.peername(s)
			r.recv(s, 10, 0)
			r.poll(s)
			r.get(s, sockapi.SOL_SOCKET, sockapi.SO_TYPE)
			r.get(s, sockapi.SOL_SOCKET, sockapi.SO_DOMAIN)
			r.get(s, sockapi.IPPROTO_IP, sockapi.IP_TTL)
			r.connect(s, at(lo4, 5900))
		},
		"packet: stream": func(r *run) { r.socketProto(sockapi.AF_PACKET, sockapi.SOCK_STREAM, 0) },
	})
}

func sizeOf(n int) string {
	if n > 0 {
		return "a packet"
	}
	return "nothing"
}

// controls are programs with control messages and the error queue.
func controls() []program {
	out := map[string]func(*run){}
	for name, opt := range map[string]int{"TTL": sockapi.IP_RECVTTL, "TOS": sockapi.IP_RECVTOS, "PKTINFO": sockapi.IP_PKTINFO, "ORIGDSTADDR": sockapi.IP_RECVORIGDSTADDR} {
		out["receive "+name] = func(r *run) {
			a, b := udp(r, 5400), udp(r, 5401)
			r.set(a, sockapi.IPPROTO_IP, sockapi.IP_TOS, 0x10)
			r.set(a, sockapi.IPPROTO_IP, sockapi.IP_TTL, 9)
			r.set(b, sockapi.IPPROTO_IP, opt, 1)
			r.sendto(a, "x", 0, at(lo4, 5401))
			r.recvmsg(b, 10, 0)
			r.set(b, sockapi.IPPROTO_IP, opt, 0)
			r.sendto(a, "x", 0, at(lo4, 5401))
			r.recvmsg(b, 10, 0)
		}
	}
	for name, opt := range map[string]int{"HOPLIMIT": sockapi.IPV6_RECVHOPLIMIT, "TCLASS": sockapi.IPV6_RECVTCLASS, "PKTINFO": sockapi.IPV6_RECVPKTINFO} {
		out["receive v6 "+name] = func(r *run) {
			a, b := udp6(r, 5400), udp6(r, 5401)
			r.set(b, sockapi.IPPROTO_IPV6, opt, 1)
			r.sendto(a, "x", 0, "[::1]:5401")
			r.recvmsg(b, 10, 0)
		}
	}
	for name, opt := range map[string]int{"SO_TIMESTAMP": sockapi.SO_TIMESTAMP, "SO_TIMESTAMPNS": sockapi.SO_TIMESTAMPNS} {
		out[name] = func(r *run) {
			a, b := udp(r, 5400), udp(r, 5401)
			r.set(b, sockapi.SOL_SOCKET, opt, 1)
			r.sendto(a, "x", 0, at(lo4, 5401))
			r.recvmsg(b, 10, 0)
			r.get(b, sockapi.SOL_SOCKET, sockapi.SO_TIMESTAMP)
			r.get(b, sockapi.SOL_SOCKET, sockapi.SO_TIMESTAMPNS)
		}
	}
	out["all at once"] = func(r *run) {
		a, b := udp(r, 5400), udp(r, 5401)
		for _, opt := range []int{sockapi.IP_RECVTOS, sockapi.IP_PKTINFO, sockapi.IP_RECVTTL} {
			r.set(b, sockapi.IPPROTO_IP, opt, 1)
		}
		r.set(b, sockapi.SOL_SOCKET, sockapi.SO_TIMESTAMP, 1)
		r.sendto(a, "x", 0, at(lo4, 5401))
		r.recvmsg(b, 10, sockapi.MSG_PEEK)
		r.recvmsg(b, 10, 0)
	}
	out["send with a TTL"] = func(r *run) {
		a, b := udp(r, 5400), udp(r, 5401)
		r.set(b, sockapi.IPPROTO_IP, sockapi.IP_RECVTTL, 1)
		r.sendNumber(a, "x", at(lo4, 5401), sockapi.IPPROTO_IP, sockapi.IP_TTL, 7)
		r.recvmsg(b, 10, 0)
		r.sendNumber(a, "x", at(lo4, 5401), sockapi.IPPROTO_IP, sockapi.IP_TTL, 0)
		r.sendNumber(a, "x", at(lo4, 5401), sockapi.IPPROTO_IP, sockapi.IP_TTL, 256)
		r.sendNumber(a, "x", at(lo4, 5401), sockapi.IPPROTO_IP, 99, 1)
	}
	out["send with a hop limit"] = func(r *run) {
		a, b := udp6(r, 5400), udp6(r, 5401)
		r.set(b, sockapi.IPPROTO_IPV6, sockapi.IPV6_RECVHOPLIMIT, 1)
		r.sendNumber(a, "x", "[::1]:5401", sockapi.IPPROTO_IPV6, sockapi.IPV6_HOPLIMIT, 7)
		r.recvmsg(b, 10, 0)
		r.sendNumber(a, "x", "[::1]:5401", sockapi.IPPROTO_IPV6, sockapi.IPV6_HOPLIMIT, 300)
	}
	return append(named("cmsg", out), errorQueues()...)
}

func udp6(r *run, port int) int {
	s := r.socket(sockapi.AF_INET6, sockapi.SOCK_DGRAM)
	r.bind(s, at("::1", port))
	r.nonblock(s)
	return s
}

// errorQueues are programs that read MSG_ERRQUEUE.
//
// table: one entry a program.
func errorQueues() []program {
	return named("error queue", map[string]func(*run){
		"empty": func(r *run) {
			s := udp(r, 5400)
			r.recvmsg(s, 10, sockapi.MSG_ERRQUEUE)
			r.set(s, sockapi.IPPROTO_IP, sockapi.IP_RECVERR, 1)
			r.recvmsg(s, 10, sockapi.MSG_ERRQUEUE)
		},
		"port unreachable": func(r *run) {
			s := udp(r, 5400)
			r.set(s, sockapi.IPPROTO_IP, sockapi.IP_RECVERR, 1)
			r.sendto(s, "to nobody", 0, at(lo4, 5401))
			r.poll(s)
			r.recvmsg(s, 100, sockapi.MSG_ERRQUEUE)
			r.poll(s)
			r.soError(s)
			r.recvmsg(s, 100, sockapi.MSG_ERRQUEUE)
		},
		"two, and the error between": func(r *run) {
			s := udp(r, 5400)
			r.set(s, sockapi.IPPROTO_IP, sockapi.IP_RECVERR, 1)
			r.sendto(s, "one", 0, at(lo4, 5401))
			r.sendto(s, "two", 0, at(lo4, 5402))
			r.sendto(s, "two", 0, at(lo4, 5402))
			r.recvmsg(s, 100, sockapi.MSG_ERRQUEUE)
			r.poll(s)
			r.recv(s, 10, 0)
			r.recvmsg(s, 2, sockapi.MSG_ERRQUEUE)
			r.poll(s)
			r.recv(s, 10, 0)
		},
		"connected": func(r *run) {
			s := udp(r, 5400)
			r.set(s, sockapi.IPPROTO_IP, sockapi.IP_RECVERR, 1)
			r.connect(s, at(lo4, 5401))
			r.send(s, "to nobody", 0)
			r.recvmsg(s, 100, sockapi.MSG_ERRQUEUE)
			r.recv(s, 10, 0)
			r.poll(s)
		},
		"turned off": func(r *run) {
			s := udp(r, 5400)
			r.set(s, sockapi.IPPROTO_IP, sockapi.IP_RECVERR, 1)
			r.sendto(s, "one", 0, at(lo4, 5401))
			r.set(s, sockapi.IPPROTO_IP, sockapi.IP_RECVERR, 0)
			r.recvmsg(s, 100, sockapi.MSG_ERRQUEUE)
			r.sendto(s, "two", 0, at(lo4, 5401))
			r.recvmsg(s, 100, sockapi.MSG_ERRQUEUE)
		},
		"v6": func(r *run) {
			s := udp6(r, 5400)
			r.set(s, sockapi.IPPROTO_IPV6, sockapi.IPV6_RECVERR, 1)
			r.sendto(s, "to nobody", 0, "[::1]:5401")
			r.poll(s)
			r.recvmsg(s, 100, sockapi.MSG_ERRQUEUE)
			r.poll(s)
		},
	})
}
