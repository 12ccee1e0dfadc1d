package main

import (
	"fmt"
	"time"

	"fivetuple/sockapi"
)

// program is one case: socket calls in one process, on loopback.
type program struct {
	name string
	run  func(*run)
}

// programs is the whole table.
func programs() []program {
	var out []program
	for _, group := range [][]program{badDescriptors(), binds(), states(), options(), datagrams(), streams(), families(), pairs(), files(), raws(), controls(), groups()} {
		out = append(out, group...)
	}
	return out
}

const lo4 = "127.0.0.1"

func at(ip string, port int) string {
	if ip[0] == ':' {
		return fmt.Sprintf("[%s]:%d", ip, port)
	}
	return fmt.Sprintf("%s:%d", ip, port)
}

// badDescriptors makes every call on a descriptor that is not open.
func badDescriptors() []program {
	const fd = 900
	calls := map[string]func(*run){
		"bind":        func(r *run) { r.bind(fd, at(lo4, 5000)) },
		"listen":      func(r *run) { r.listen(fd, 1) },
		"accept":      func(r *run) { r.accept(fd) },
		"connect":     func(r *run) { r.connect(fd, at(lo4, 5000)) },
		"send":        func(r *run) { r.send(fd, "x", 0) },
		"recv":        func(r *run) { r.recv(fd, 1, 0) },
		"shutdown":    func(r *run) { r.shutdown(fd, sockapi.SHUT_WR) },
		"close":       func(r *run) { r.close(fd) },
		"dup":         func(r *run) { r.dup(fd) },
		"getsockname": func(r *run) { r.sockname(fd) },
		"getpeername": func(r *run) { r.peername(fd) },
		"getsockopt":  func(r *run) { r.get(fd, sockapi.SOL_SOCKET, sockapi.SO_TYPE) },
		"setsockopt":  func(r *run) { r.set(fd, sockapi.SOL_SOCKET, sockapi.SO_REUSEADDR, 1) },
		"fcntl":       func(r *run) { r.nonblock(fd) },
		"poll":        func(r *run) { r.poll(fd) },
		"ioctl":       func(r *run) { r.ioctl(fd, sockapi.FIONREAD) },
	}
	return named("bad descriptor", calls)
}

// binds binds two sockets in every combination of protocol, addresses and reuse
// options.
func binds() []program {
	type combo struct {
		name   string
		reuse  int
		listen bool
	}
	combos := []combo{{"plain", 0, false}, {"reuseaddr", sockapi.SO_REUSEADDR, false}, {"reuseport", sockapi.SO_REUSEPORT, false},
		{"reuseaddr, first listens", sockapi.SO_REUSEADDR, true}, {"reuseport, first listens", sockapi.SO_REUSEPORT, true}}
	addrs := []string{"0.0.0.0", lo4, "127.0.0.2", "::", "::1"}
	var out []program
	for _, typ := range []int{sockapi.SOCK_STREAM, sockapi.SOCK_DGRAM} {
		for _, c := range combos {
			if c.listen && typ == sockapi.SOCK_DGRAM {
				continue
			}
			for i, first := range addrs {
				for _, second := range addrs[i:] {
					name := fmt.Sprintf("bind %s, %s then %s, %s", typeOf(typ), first, second, c.name)
					out = append(out, program{name, func(r *run) { bindTwo(r, typ, first, second, c.reuse, c.listen) }})
				}
			}
		}
	}
	return out
}

func typeOf(typ int) string {
	if typ == sockapi.SOCK_STREAM {
		return "tcp"
	}
	return "udp"
}

func familyOf(ip string) int {
	if ip[0] == ':' {
		return sockapi.AF_INET6
	}
	return sockapi.AF_INET
}

func bindTwo(r *run, typ int, first, second string, reuse int, listen bool) {
	for i, ip := range []string{first, second} {
		s := r.socket(familyOf(ip), typ)
		if reuse != 0 {
			r.set(s, sockapi.SOL_SOCKET, reuse, 1)
		}
		err := r.bind(s, at(ip, 5100))
		if i == 0 && listen {
			r.listen(s, 1)
		}
		if i == 1 && typ == sockapi.SOCK_STREAM && err == nil {
			r.listen(s, 1)
		}
	}
}

// tcpStates brings a TCP socket into a state and returns it.
var tcpStates = []struct {
	name string
	make func(*run) int
}{
	{"fresh", func(r *run) int { return r.socket(sockapi.AF_INET, sockapi.SOCK_STREAM) }},
	{"bound", func(r *run) int {
		s := r.socket(sockapi.AF_INET, sockapi.SOCK_STREAM)
		r.bind(s, at(lo4, 5200))
		return s
	}},
	{"listening", func(r *run) int { return listener(r) }},
	{"refused", func(r *run) int {
		s := r.socket(sockapi.AF_INET, sockapi.SOCK_STREAM)
		r.connect(s, at(lo4, 5299))
		return s
	}},
	{"connected", func(r *run) int { s, _ := pair(r); return s }},
	{"accepted", func(r *run) int { _, c := pair(r); return c }},
	{"with data", func(r *run) int { s, c := pair(r); r.send(c, "hello", 0); return s }},
	{"shut for writing", func(r *run) int { s, _ := pair(r); r.shutdown(s, sockapi.SHUT_WR); return s }},
	{"shut for reading", func(r *run) int { s, _ := pair(r); r.shutdown(s, sockapi.SHUT_RD); return s }},
	{"shut for both", func(r *run) int { s, _ := pair(r); r.shutdown(s, sockapi.SHUT_RDWR); return s }},
	{"peer has shut", func(r *run) int { s, c := pair(r); r.shutdown(c, sockapi.SHUT_WR); return s }},
	{"peer has closed", func(r *run) int { s, c := pair(r); r.close(c); return s }},
	{"peer has reset", func(r *run) int { s, c := pair(r); r.linger(c, true, 0); r.close(c); return s }},
}

// listener listens on port 5200 and does not block.
func listener(r *run) int {
	l := r.socket(sockapi.AF_INET, sockapi.SOCK_STREAM)
	r.bind(l, at(lo4, 5200))
	r.listen(l, 4)
	r.nonblock(l)
	return l
}

// pair connects two sockets; neither blocks.
func pair(r *run) (client, server int) {
	l := listener(r)
	client = r.socket(sockapi.AF_INET, sockapi.SOCK_STREAM)
	r.connect(client, at(lo4, 5200))
	server = r.accept(l)
	r.nonblock(client)
	r.nonblock(server)
	return client, server
}

// states makes every call in every state of a TCP socket.
func states() []program {
	calls := []struct {
		name string
		call func(*run, int)
	}{
		{"bind", func(r *run, s int) { r.bind(s, at(lo4, 5201)) }},
		{"listen", func(r *run, s int) { r.listen(s, 4) }},
		{"accept", func(r *run, s int) { r.nonblock(s); r.accept(s) }},
		{"connect", func(r *run, s int) { r.nonblock(s); r.connect(s, at(lo4, 5298)) }},
		{"send", func(r *run, s int) { r.nonblock(s); r.send(s, "abc", 0); r.send(s, "abc", 0) }},
		{"recv", func(r *run, s int) { r.nonblock(s); r.recv(s, 100, 0); r.recv(s, 100, 0) }},
		{"peek", func(r *run, s int) { r.nonblock(s); r.recv(s, 3, sockapi.MSG_PEEK); r.recv(s, 100, sockapi.MSG_PEEK) }},
		{"names", func(r *run, s int) { r.sockname(s); r.peername(s) }},
		{"poll", func(r *run, s int) { r.poll(s) }},
		{"shutdown", func(r *run, s int) { r.shutdown(s, sockapi.SHUT_WR); r.shutdown(s, sockapi.SHUT_RDWR) }},
		{"SO_ERROR", func(r *run, s int) { r.soError(s); r.soError(s) }},
		{"queues", func(r *run, s int) { r.ioctl(s, sockapi.SIOCINQ) }},
	}
	var out []program
	for _, st := range tcpStates {
		for _, c := range calls {
			out = append(out, program{"tcp " + st.name + ": " + c.name, func(r *run) { c.call(r, st.make(r)) }})
		}
	}
	return out
}

// intOptions are the options whose values go round.
var intOptions = []struct {
	name       string
	level, opt int
	typ        int
	values     []int
}{
	{"SO_REUSEADDR", sockapi.SOL_SOCKET, sockapi.SO_REUSEADDR, sockapi.SOCK_STREAM, []int{1, 0, 7}},
	{"SO_REUSEPORT", sockapi.SOL_SOCKET, sockapi.SO_REUSEPORT, sockapi.SOCK_STREAM, []int{1, 0}},
	{"SO_KEEPALIVE", sockapi.SOL_SOCKET, sockapi.SO_KEEPALIVE, sockapi.SOCK_STREAM, []int{1, 0}},
	{"SO_BROADCAST", sockapi.SOL_SOCKET, sockapi.SO_BROADCAST, sockapi.SOCK_DGRAM, []int{1, 0}},
	{"SO_OOBINLINE", sockapi.SOL_SOCKET, sockapi.SO_OOBINLINE, sockapi.SOCK_STREAM, []int{1, 0}},
	{"SO_PRIORITY", sockapi.SOL_SOCKET, sockapi.SO_PRIORITY, sockapi.SOCK_STREAM, []int{3, 0}},
	{"SO_TYPE", sockapi.SOL_SOCKET, sockapi.SO_TYPE, sockapi.SOCK_DGRAM, []int{1}},
	{"SO_DOMAIN", sockapi.SOL_SOCKET, sockapi.SO_DOMAIN, sockapi.SOCK_DGRAM, []int{1}},
	{"SO_PROTOCOL", sockapi.SOL_SOCKET, sockapi.SO_PROTOCOL, sockapi.SOCK_STREAM, []int{1}},
	{"SO_ACCEPTCONN", sockapi.SOL_SOCKET, sockapi.SO_ACCEPTCONN, sockapi.SOCK_STREAM, []int{1}},
	{"SO_RCVLOWAT", sockapi.SOL_SOCKET, sockapi.SO_RCVLOWAT, sockapi.SOCK_STREAM, []int{5}},
	{"SO_SNDLOWAT", sockapi.SOL_SOCKET, sockapi.SO_SNDLOWAT, sockapi.SOCK_STREAM, []int{5}},
	{"TCP_NODELAY", sockapi.IPPROTO_TCP, sockapi.TCP_NODELAY, sockapi.SOCK_STREAM, []int{1, 0}},
	{"TCP_CORK", sockapi.IPPROTO_TCP, sockapi.TCP_CORK, sockapi.SOCK_STREAM, []int{1, 0}},
	{"TCP_MAXSEG", sockapi.IPPROTO_TCP, sockapi.TCP_MAXSEG, sockapi.SOCK_STREAM, []int{1000, 20, 100000}},
	{"TCP_KEEPIDLE", sockapi.IPPROTO_TCP, sockapi.TCP_KEEPIDLE, sockapi.SOCK_STREAM, []int{10, 0, 40000}},
	{"TCP_KEEPINTVL", sockapi.IPPROTO_TCP, sockapi.TCP_KEEPINTVL, sockapi.SOCK_STREAM, []int{10, 0, 40000}},
	{"TCP_KEEPCNT", sockapi.IPPROTO_TCP, sockapi.TCP_KEEPCNT, sockapi.SOCK_STREAM, []int{3, 0, 200}},
	{"TCP_QUICKACK", sockapi.IPPROTO_TCP, sockapi.TCP_QUICKACK, sockapi.SOCK_STREAM, []int{0, 1}},
	{"TCP_USER_TIMEOUT", sockapi.IPPROTO_TCP, sockapi.TCP_USER_TIMEOUT, sockapi.SOCK_STREAM, []int{5000, -1}},
	{"TCP_LINGER2", sockapi.IPPROTO_TCP, sockapi.TCP_LINGER2, sockapi.SOCK_STREAM, []int{5, -1, 100000}},
	{"TCP_DEFER_ACCEPT", sockapi.IPPROTO_TCP, sockapi.TCP_DEFER_ACCEPT, sockapi.SOCK_STREAM, []int{3, 0}},
	{"TCP_NODELAY on udp", sockapi.IPPROTO_TCP, sockapi.TCP_NODELAY, sockapi.SOCK_DGRAM, []int{1}},
	{"IP_TTL", sockapi.IPPROTO_IP, sockapi.IP_TTL, sockapi.SOCK_STREAM, []int{9, 0, 256, -1}},
	{"IP_TOS", sockapi.IPPROTO_IP, sockapi.IP_TOS, sockapi.SOCK_DGRAM, []int{0x10, 0xff}},
	{"IP_MTU_DISCOVER", sockapi.IPPROTO_IP, sockapi.IP_MTU_DISCOVER, sockapi.SOCK_DGRAM, []int{0, 2, 9}},
	{"unknown option", sockapi.SOL_SOCKET, 9999, sockapi.SOCK_STREAM, []int{1}},
	{"unknown level", 9999, 1, sockapi.SOCK_STREAM, []int{1}},
}

func options() []program {
	var out []program
	for _, o := range intOptions {
		out = append(out, program{"option " + o.name, func(r *run) {
			s := r.socket(sockapi.AF_INET, o.typ)
			r.get(s, o.level, o.opt)
			for _, v := range o.values {
				r.set(s, o.level, o.opt, v)
				r.get(s, o.level, o.opt)
			}
		}})
	}
	return append(out, program{"option SO_RCVTIMEO ends recv", func(r *run) {
		s := r.socket(sockapi.AF_INET, sockapi.SOCK_DGRAM)
		r.bind(s, at(lo4, 5300))
		r.timeout(s, sockapi.SO_RCVTIMEO, 20*time.Millisecond)
		r.recv(s, 10, 0)
	}})
}

// named makes programs of a map, in order of their names.
func named(group string, calls map[string]func(*run)) []program {
	var out []program
	for _, n := range sortedKeys(calls) {
		out = append(out, program{group + ": " + n, calls[n]})
	}
	return out
}
