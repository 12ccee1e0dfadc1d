package main

import "fivetuple/sockapi"

// groups are programs with multicast groups and bound devices.
//
// table: one entry a program.
func groups() []program {
	return named("group", map[string]func(*run){
		"join and leave": func(r *run) {
			s := udp(r, 5400)
			r.group(s, "239.1.2.3", 1, true)
			r.group(s, "239.1.2.3", 1, true)
			r.group(s, "239.1.2.3", 1, false)
			r.group(s, "239.1.2.3", 1, false)
		},
		"not a group":  func(r *run) { r.group(udp(r, 5400), "10.0.0.1", 1, true) },
		"no interface": func(r *run) { r.group(udp(r, 5400), "239.1.2.3", 77, true) },
		"on a stream":  func(r *run) { r.group(r.socket(sockapi.AF_INET, sockapi.SOCK_STREAM), "239.1.2.3", 1, true) },
		"v6 join and leave": func(r *run) {
			s := udp6(r, 5400)
			r.group(s, "ff02::1234", 1, true)
			r.group(s, "ff02::1234", 1, true)
			r.group(s, "ff02::1234", 1, false)
			r.group(s, "ff02::1234", 1, false)
		},
		"v6 not a group":  func(r *run) { r.group(udp6(r, 5400), "2001:db8::1", 1, true) },
		"v6 no interface": func(r *run) { r.group(udp6(r, 5400), "ff02::1234", 77, true) },
		"TTL": func(r *run) {
			s := udp(r, 5400)
			for _, v := range []int{0, 1, 255, 256, -1, -2} {
				r.set(s, sockapi.IPPROTO_IP, sockapi.IP_MULTICAST_TTL, v)
				r.get(s, sockapi.IPPROTO_IP, sockapi.IP_MULTICAST_TTL)
			}
		},
		"bind to a device": func(r *run) {
			a, b := udp(r, 5400), udp(r, 5401)
			r.setString(a, sockapi.SOL_SOCKET, sockapi.SO_BINDTODEVICE, "lo")
			r.setString(b, sockapi.SOL_SOCKET, sockapi.SO_BINDTODEVICE, "nonesuch")
			r.sendto(a, "x", 0, at(lo4, 5401))
			r.recv(b, 10, 0)
			r.setString(a, sockapi.SOL_SOCKET, sockapi.SO_BINDTODEVICE, "")
			r.sendto(a, "y", 0, at(lo4, 5401))
			r.recv(b, 10, 0)
		},
	})
}
