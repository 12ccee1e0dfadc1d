package main

import "fivetuple/sockapi"

// families are programs about address families.
//
// table: one entry a program.
func families() []program {
	return named("families", map[string]func(*run){
		"unknown family":        func(r *run) { r.socket(77, sockapi.SOCK_STREAM) },
		"unknown type":          func(r *run) { r.socket(sockapi.AF_INET, 9) },
		"inet bind to inet6":    func(r *run) { r.bind(r.socket(sockapi.AF_INET, sockapi.SOCK_STREAM), "[::1]:5800") },
		"inet6 bind to inet":    func(r *run) { r.bind(r.socket(sockapi.AF_INET6, sockapi.SOCK_STREAM), at(lo4, 5800)) },
		"inet connect to inet6": func(r *run) { r.connect(r.socket(sockapi.AF_INET, sockapi.SOCK_STREAM), "[::1]:5800") },
		"inet6 connect to inet": func(r *run) { r.connect(r.socket(sockapi.AF_INET6, sockapi.SOCK_STREAM), at(lo4, 5800)) },
		"mapped bind": func(r *run) {
			s := r.socket(sockapi.AF_INET6, sockapi.SOCK_STREAM)
			r.bind(s, "[::ffff:127.0.0.1]:5800")
			r.sockname(s)
		},
		"mapped bind, v6only": func(r *run) {
			s := r.socket(sockapi.AF_INET6, sockapi.SOCK_STREAM)
			r.set(s, sockapi.IPPROTO_IPV6, sockapi.IPV6_V6ONLY, 1)
			r.bind(s, "[::ffff:127.0.0.1]:5800")
		},
		"V6ONLY after bind": func(r *run) {
			s := r.socket(sockapi.AF_INET6, sockapi.SOCK_STREAM)
			r.bind(s, "[::1]:5800")
			r.set(s, sockapi.IPPROTO_IPV6, sockapi.IPV6_V6ONLY, 1)
		},
		"V6ONLY default": func(r *run) {
			r.get(r.socket(sockapi.AF_INET6, sockapi.SOCK_STREAM), sockapi.IPPROTO_IPV6, sockapi.IPV6_V6ONLY)
		},
		"IPV6 option on inet": func(r *run) {
			r.set(r.socket(sockapi.AF_INET, sockapi.SOCK_STREAM), sockapi.IPPROTO_IPV6, sockapi.IPV6_V6ONLY, 1)
		},
		"v6 hops": func(r *run) {
			s := r.socket(sockapi.AF_INET6, sockapi.SOCK_DGRAM)
			r.get(s, sockapi.IPPROTO_IPV6, sockapi.IPV6_UNICAST_HOPS)
			r.set(s, sockapi.IPPROTO_IPV6, sockapi.IPV6_UNICAST_HOPS, 9)
			r.get(s, sockapi.IPPROTO_IPV6, sockapi.IPV6_UNICAST_HOPS)
			r.set(s, sockapi.IPPROTO_IPV6, sockapi.IPV6_UNICAST_HOPS, 300)
		},
		"dual stack takes IPv4":     func(r *run) { dual(r, false) },
		"v6only does not take IPv4": func(r *run) { dual(r, true) },
		"inet6 echo": func(r *run) {
			l := r.socket(sockapi.AF_INET6, sockapi.SOCK_STREAM)
			r.bind(l, "[::1]:5801")
			r.listen(l, 1)
			s := r.socket(sockapi.AF_INET6, sockapi.SOCK_STREAM)
			r.connect(s, "[::1]:5801")
			c := r.accept(l)
			r.nonblock(c)
			r.send(s, "six", 0)
			r.recv(c, 10, 0)
			r.sockname(c)
			r.peername(s)
		},
		"inet6 udp to mapped": func(r *run) {
			a := udp(r, 5802)
			s := r.socket(sockapi.AF_INET6, sockapi.SOCK_DGRAM)
			r.bind(s, "[::]:5803")
			r.nonblock(s)
			r.sendto(s, "hi", 0, "[::ffff:127.0.0.1]:5802")
			r.recv(a, 10, 0)
			r.sendto(a, "ho", 0, at(lo4, 5803))
			r.recv(s, 10, 0)
		},
	})
}

// dual listens on [::] and connects with IPv4.
func dual(r *run, only bool) {
	l := r.socket(sockapi.AF_INET6, sockapi.SOCK_STREAM)
	if only {
		r.set(l, sockapi.IPPROTO_IPV6, sockapi.IPV6_V6ONLY, 1)
	}
	r.bind(l, "[::]:5804")
	r.listen(l, 1)
	r.nonblock(l)
	s := r.socket(sockapi.AF_INET, sockapi.SOCK_STREAM)
	r.connect(s, at(lo4, 5804))
	r.accept(l)
	r.poll(l)
}
