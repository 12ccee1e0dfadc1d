package sockapi

import (
	"math"
	"time"

	"fivetuple/stack"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// The functions here make the rows of the option table: one for each way in
// which netstack keeps an option.

// flag is a boolean in netstack's SocketOptions.
func flag(get func(*tcpip.SocketOptions) bool, set func(*tcpip.SocketOptions, bool)) Option {
	return Option{
		Status: Simulated, Type: Bool, Default: false,
		get: func(s *socket) (any, Errno) { return get(s.ep.SocketOptions()), 0 },
		set: func(s *socket, v any) Errno { set(s.ep.SocketOptions(), v.(bool)); return 0 },
	}
}

func readOnly(get func(*socket) any) Option {
	return Option{Status: Simulated, Type: Int, get: func(s *socket) (any, Errno) { return get(s), 0 }}
}

func storedOption(t OptType, def any) Option {
	return Option{Status: Stored, Type: t, Default: def}
}

// intOption is an integer that netstack keeps under o.
func intOption(o tcpip.SockOptInt, def int) Option {
	return Option{
		Status: Simulated, Type: Int, Default: def,
		get: func(s *socket) (any, Errno) {
			v, err := s.ep.GetSockOptInt(o)
			return v, errnoOf(err)
		},
		set: func(s *socket, v any) Errno { return errnoOf(s.ep.SetSockOptInt(o, v.(int))) },
	}
}

// ranged refuses values outside lo to hi with EINVAL.
func ranged(o Option, lo, hi int) Option {
	set := o.set
	o.set = func(s *socket, v any) Errno {
		if n := v.(int); n < lo || n > hi {
			return EINVAL
		}
		return set(s, v)
	}
	return o
}

// hopLimit is IP_TTL and IPV6_UNICAST_HOPS: least to 255, or -1 for the host's
// default (ip(7), ipv6(7)), which netstack writes as unset.
func hopLimit(opt tcpip.SockOptInt, unset, least int) Option {
	o := ranged(intOption(opt, defaultStackTTL), -1, 255)
	get, set := o.get, o.set
	o.get = func(s *socket) (any, Errno) {
		v, errno := get(s)
		if v == unset {
			v = defaultStackTTL
		}
		return v, errno
	}
	o.set = func(s *socket, v any) Errno {
		switch n := v.(int); {
		case n == -1:
			v = unset
		case n < least:
			return EINVAL
		}
		return set(s, v)
	}
	return o
}

// trafficClass is IPV6_TCLASS: 0 to 255, or -1 for the default, 0.
func trafficClass() Option {
	o := ranged(intOption(tcpip.IPv6TrafficClassOption, 0), -1, 255)
	set := o.set
	o.set = func(s *socket, v any) Errno {
		if v == -1 {
			v = 0
		}
		return set(s, v)
	}
	return o
}

// mtuDiscover is IP_MTU_DISCOVER. netstack numbers its strategies otherwise
// than Linux: IP_PMTUDISC_DONT is 0, WANT is 1, and it lacks INTERFACE and
// OMIT, 4 and 5.
func mtuDiscover() Option {
	swap := func(v any) any {
		if n := v.(int); n == 0 || n == 1 {
			return 1 - n
		}
		return v
	}
	o := ranged(intOption(tcpip.MTUDiscoverOption, 1), 0, 3)
	get, set := o.get, o.set
	o.get = func(s *socket) (any, Errno) {
		v, errno := get(s)
		return swap(v), errno
	}
	o.set = func(s *socket, v any) Errno {
		if v.(int) < 0 || v.(int) > 3 {
			return EINVAL
		}
		return set(s, swap(v))
	}
	return o
}

// lowWater makes a stored option a low-water mark: at least 1, and a negative
// number means as much as there may be (sock_set_rcvlowat).
func lowWater(o Option) Option {
	o.set = func(s *socket, v any) Errno {
		n := v.(int)
		switch {
		case n == 0:
			n = 1
		case n < 0:
			n = math.MaxInt32
		}
		s.store(optKey{SOL_SOCKET, SO_RCVLOWAT}, n)
		return 0
	}
	return o
}

// maxSeg is TCP_MAXSEG. netstack never reads back what was negotiated.
func maxSeg() Option {
	o := ranged(intOption(tcpip.MaxSegOption, header.TCPDefaultMSS), 0, math.MaxInt16)
	get := o.get
	o.get = func(s *socket) (any, Errno) {
		if in, _ := stack.InternalsOf(s.ep); in.MSS > 0 {
			return in.MSS, 0
		}
		return get(s)
	}
	return o
}

// bufferSize is a buffer's size in bytes.
func bufferSize(get func(*tcpip.SocketOptions) int64, set func(*tcpip.SocketOptions, int64, bool),
	limits func(*tcpip.SocketOptions) (lo, hi int64)) Option {
	return Option{
		Status: Simulated, Type: Int,
		get: func(s *socket) (any, Errno) { return int(get(s.ep.SocketOptions())), 0 },
		set: func(s *socket, v any) Errno {
			// Linux doubles the value to make room for its bookkeeping, and
			// takes a negative one for very large: socket(7), sock_setsockopt.
			lo, hi := limits(s.ep.SocketOptions())
			n := int64(v.(int))
			if n < 0 {
				n = hi
			}
			set(s.ep.SocketOptions(), max(2*min(n, hi), lo), true)
			return 0
		},
	}
}

// timeout is a limit on how long calls block.
func timeout(field func(*socket) *time.Duration) Option {
	return Option{
		Status: Simulated, Type: Timeval, Default: time.Duration(0),
		get: func(s *socket) (any, Errno) { return *field(s), 0 },
		set: func(s *socket, v any) Errno {
			d := v.(time.Duration)
			if d < 0 {
				return EDOM
			}
			*field(s) = d
			return 0
		},
	}
}

// v6onlyOption is IPV6_V6ONLY: only before the socket has a port.
func v6onlyOption() Option {
	o := flag((*tcpip.SocketOptions).GetV6Only, (*tcpip.SocketOptions).SetV6Only)
	set := o.set
	o.set = func(s *socket, v any) Errno {
		if local, err := s.ep.GetLocalAddress(); err == nil && local.Port != 0 {
			return EINVAL
		}
		return set(s, v)
	}
	return o
}

func lingerOption() Option {
	return Option{
		Status: Simulated, Type: LingerT, Default: Linger{},
		get: func(s *socket) (any, Errno) {
			l := s.ep.SocketOptions().GetLinger()
			return Linger{On: l.Enabled, Seconds: int(l.Timeout / time.Second)}, 0
		},
		set: func(s *socket, v any) Errno {
			l, now := v.(Linger), s.ep.SocketOptions().GetLinger()
			if now.Enabled = l.On; l.On { // turned off, the time stays
				now.Timeout = time.Duration(max(l.Seconds, 0)) * time.Second
			}
			s.ep.SocketOptions().SetLinger(now)
			return 0
		},
	}
}

// durationOption is a time that is written as an int in unit.
func durationOption(def int, unit time.Duration, t OptType, lo, hi int,
	put func(time.Duration) tcpip.SettableSocketOption, get func(*socket) (time.Duration, tcpip.Error)) Option {
	o := Option{
		Status: Simulated, Type: t, Default: def,
		get: func(s *socket) (any, Errno) {
			d, err := get(s)
			if d < 0 {
				return -1, errnoOf(err)
			}
			return int(d / unit), errnoOf(err)
		},
		set: func(s *socket, v any) Errno {
			n := time.Duration(min(v.(int), int(math.MaxInt64/unit)))
			return errnoOf(s.ep.SetSockOpt(put(n * unit)))
		},
	}
	return ranged(o, lo, hi)
}

// congestion is TCP_CONGESTION.
func congestion() Option {
	return Option{
		Status: Simulated, Type: String,
		get: func(s *socket) (any, Errno) {
			var cc tcpip.CongestionControlOption
			err := s.ep.GetSockOpt(&cc)
			return string(cc), errnoOf(err)
		},
		set: func(s *socket, v any) Errno {
			cc := tcpip.CongestionControlOption(v.(string))
			return errnoOf(s.ep.SetSockOpt(&cc))
		},
	}
}
