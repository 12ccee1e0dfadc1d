package star

import (
	"fmt"
	"math"
	"net/netip"
	"time"

	"fivetuple/sim/netem"
	"fivetuple/sockapi"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"
)

// duration is an argument that is a time: "10ms", or a time that a script
// computed. A bare number is refused.
type duration struct {
	d   time.Duration
	set bool
}

// Unpack implements [starlark.Unpacker].
func (d *duration) Unpack(v starlark.Value) error {
	switch v := v.(type) {
	case starlark.NoneType:
		return nil
	case startime.Duration:
		d.d, d.set = time.Duration(v), true
	case starlark.String:
		t, err := netem.ParseDuration(string(v))
		if err != nil {
			return err
		}
		d.d, d.set = t, true
	default:
		return fmt.Errorf(`%s: a duration needs a unit, as in "10ms"`, v)
	}
	return nil
}

// addrPort is an argument that is an address with a port: ("10.0.0.2", 80), or
// "10.0.0.2:80".
type addrPort struct{ a netip.AddrPort }

// Unpack implements [starlark.Unpacker].
func (a *addrPort) Unpack(v starlark.Value) error {
	switch v := v.(type) {
	case starlark.NoneType:
		return nil
	case starlark.String:
		ap, err := netip.ParseAddrPort(string(v))
		if err != nil {
			return fmt.Errorf(`%s: an address is written ("10.0.0.2", 80) or "10.0.0.2:80"`, v)
		}
		a.a = ap
		return nil
	case starlark.Tuple:
		if len(v) != 2 {
			break
		}
		ip, ok := starlark.AsString(v[0])
		if !ok {
			break
		}
		if ip == "" {
			ip = "0.0.0.0" // as in Python's socket module: INADDR_ANY
		}
		addr, err := netip.ParseAddr(ip)
		if err != nil {
			return fmt.Errorf("%q is not an IP address", ip)
		}
		port, err := starlark.AsInt32(v[1])
		if err != nil || port < 0 || port > math.MaxUint16 {
			return fmt.Errorf("port %s: must be between 0 and 65535", v[1])
		}
		a.a = netip.AddrPortFrom(addr, uint16(port))
		return nil
	}
	return fmt.Errorf(`%s: an address is written ("10.0.0.2", 80) or "10.0.0.2:80"`, v)
}

// address is an address as a script sees it: ("10.0.0.2", 80).
func address(a netip.AddrPort) starlark.Value {
	if !a.IsValid() {
		return starlark.None
	}
	return starlark.Tuple{starlark.String(a.Addr().String()), starlark.MakeInt(int(a.Port()))}
}

// data is an argument that is payload: a string or bytes.
type data []byte

// Unpack implements [starlark.Unpacker].
func (d *data) Unpack(v starlark.Value) error {
	switch v := v.(type) {
	case starlark.String:
		*d = []byte(string(v))
	case starlark.Bytes:
		*d = []byte(string(v))
	default:
		return fmt.Errorf("got %s, want a string or bytes", v.Type())
	}
	return nil
}

// prefixes reads host addresses: "10.0.0.1/24". Without a length an address
// stands alone.
func prefixes(args starlark.Tuple) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, a := range args {
		s, ok := starlark.AsString(a)
		if !ok {
			return nil, fmt.Errorf(`%s: an address is a string, as in "10.0.0.1/24"`, a)
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf(`%q: an address with its prefix length is written "10.0.0.1/24" or "2001:db8::1/64"`, s)
		}
		out = append(out, p)
	}
	return out, nil
}

// optionValue converts a script's value for setsockopt.
func optionValue(v starlark.Value) (any, error) {
	switch v := v.(type) {
	case starlark.Bool:
		return bool(v), nil
	case starlark.Int:
		n, err := starlark.AsInt32(v)
		return n, err
	case starlark.String:
		if d, err := netem.ParseDuration(string(v)); err == nil {
			return d, nil
		}
		return string(v), nil
	case startime.Duration:
		return time.Duration(v), nil
	case starlark.Tuple:
		if len(v) == 2 {
			on, err1 := starlark.AsInt32(v[0])
			sec, err2 := starlark.AsInt32(v[1])
			if err1 == nil && err2 == nil {
				return sockapi.Linger{On: on != 0, Seconds: sec}, nil
			}
		}
	}
	return nil, fmt.Errorf(`%s: an option's value is an int, a bool, a time such as "1s", a string, or (onoff, seconds) for SO_LINGER`, v)
}

// fromOption converts an option's value for a script.
func fromOption(v any) starlark.Value {
	switch v := v.(type) {
	case bool:
		return starlark.Bool(v)
	case int:
		return starlark.MakeInt(v)
	case string:
		return starlark.String(v)
	case time.Duration:
		return startime.Duration(v)
	case sockapi.Linger:
		on := 0
		if v.On {
			on = 1
		}
		return starlark.Tuple{starlark.MakeInt(on), starlark.MakeInt(v.Seconds)}
	case sockapi.TCPInfo:
		d := starlark.NewDict(16)
		for _, e := range []struct {
			k string
			v starlark.Value
		}{
			{"state", starlark.String(string(v.State))}, {"ca_state", starlark.String(v.CAState)},
			{"rto", startime.Duration(v.RTO)}, {"rtt", startime.Duration(v.SRTT)}, {"rttvar", startime.Duration(v.RTTVar)}, {"min_rtt", startime.Duration(v.MinRTT)},
			{"snd_cwnd", starlark.MakeUint64(uint64(v.Cwnd))}, {"snd_ssthresh", starlark.MakeUint64(uint64(v.Ssthresh))},
			{"unacked", starlark.MakeInt(v.Unacked)}, {"sacked", starlark.MakeInt(v.Sacked)}, {"snd_mss", starlark.MakeInt(v.MSS)},
			{"segs_out", starlark.MakeUint64(v.SegsOut)}, {"segs_in", starlark.MakeUint64(v.SegsIn)},
			{"total_retrans", starlark.MakeUint64(v.TotalRetrans)}, {"timeouts", starlark.MakeUint64(v.Timeouts)},
			{"fast_retrans", starlark.MakeUint64(v.FastRetrans)}, {"retransmits", starlark.MakeInt(v.Retransmits)}, {"probes", starlark.MakeInt(v.Probes)},
			{"notsent_bytes", starlark.MakeInt(v.NotSent)}, {"advmss", starlark.MakeInt(v.AdvMSS)},
			{"snd_wscale", starlark.MakeInt(int(v.SndWScale))}, {"rcv_wscale", starlark.MakeInt(int(v.RcvWScale))},
			{"timestamps", starlark.Bool(v.Timestamps)}, {"sack", starlark.Bool(v.SACK)},
			{"snd_wnd", starlark.MakeUint64(uint64(v.SndWnd))}, {"rcv_wnd", starlark.MakeUint64(uint64(v.RcvWnd))},
		} {
			_ = d.SetKey(starlark.String(e.k), e.v) // a fresh dict takes every string
		}
		return d
	}
	return starlark.None
}

// stringList converts a list of strings.
func stringList(v starlark.Iterable) ([]string, error) {
	var out []string
	it := v.Iterate()
	defer it.Done()
	var x starlark.Value
	for it.Next(&x) {
		s, ok := starlark.AsString(x)
		if !ok {
			return nil, fmt.Errorf("%s: want a string", x)
		}
		out = append(out, s)
	}
	return out, nil
}

func list(ss []string) *starlark.List {
	out := make([]starlark.Value, len(ss))
	for i, s := range ss {
		out[i] = starlark.String(s)
	}
	return starlark.NewList(out)
}
