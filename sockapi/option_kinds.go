package sockapi

import (
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
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

func refused() Option { return Option{Status: Refused, Type: Int} }

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

// ttlOption is IP_TTL: 1 to 255, or -1 for the host's default (ip(7)).
func ttlOption() Option {
	o := ranged(intOption(tcpip.IPv4TTLOption, defaultStackTTL), -1, 255)
	get, set := o.get, o.set
	o.get = func(s *socket) (any, Errno) {
		v, errno := get(s)
		if v == tcpip.UseDefaultIPv4TTL {
			v = defaultStackTTL
		}
		return v, errno
	}
	o.set = func(s *socket, v any) Errno {
		switch v {
		case 0:
			return EINVAL
		case -1:
			v = tcpip.UseDefaultIPv4TTL
		}
		return set(s, v)
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
			// Linux doubles the value to make room for its bookkeeping:
			// socket(7), sock_setsockopt.
			lo, hi := limits(s.ep.SocketOptions())
			set(s.ep.SocketOptions(), max(2*min(int64(max(v.(int), 0)), hi), lo), true)
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

func lingerOption() Option {
	return Option{
		Status: Simulated, Type: LingerT, Default: Linger{},
		get: func(s *socket) (any, Errno) {
			l := s.ep.SocketOptions().GetLinger()
			return Linger{On: l.Enabled, Seconds: int(l.Timeout / time.Second)}, 0
		},
		set: func(s *socket, v any) Errno {
			l := v.(Linger)
			s.ep.SocketOptions().SetLinger(tcpip.LingerOption{Enabled: l.On, Timeout: time.Duration(max(l.Seconds, 0)) * time.Second})
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
			return int(d / unit), errnoOf(err)
		},
		set: func(s *socket, v any) Errno {
			return errnoOf(s.ep.SetSockOpt(put(time.Duration(v.(int)) * unit)))
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
