package sockapi_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"fivetuple/sockapi"
	"fivetuple/trace"

	"github.com/stretchr/testify/require"
)

// kinds are the sockets that an option may meet.
var kinds = []struct {
	name        string
	family, typ int
}{{"tcp", inet, stream}, {"udp", inet, dgram}, {"tcp6", inet6, stream}, {"udp6", inet6, dgram}}

// tries are the values that are set, by type: what is usual, the edges of what
// Linux takes, and what it refuses.
var tries = map[sockapi.OptType][]any{
	sockapi.Bool:    {1, 0, 2, -1, true, false},
	sockapi.Int:     {1, 0, -1, 6, 100, 255, 256, 1000, 40000},
	sockapi.Seconds: {1, 0, -1, 7, 60, 100, 32768},
	sockapi.Millis:  {1, 0, -1, 7, 1000, 40000},
	sockapi.Timeval: {1500 * ms, 0 * ms},
	sockapi.LingerT: {sockapi.Linger{On: true, Seconds: 5}, sockapi.Linger{}, sockapi.Linger{On: true}},
	sockapi.String:  {"reno", "cubic", "nonesuch"},
}

// exercise notes an option's default and what get says after each set.
func (k *kit) exercise(o sockapi.Option, family, typ int, withDefault bool) {
	s := k.socket(family, typ)
	v, err := k.Getsockopt(s, o.Level, o.Num)
	switch {
	case err != nil:
		k.note("default", err)
	case withDefault:
		k.note("default", v)
	}
	values := tries[o.Type]
	switch o.Name { // where more needs a privilege on Linux
	case "SO_PRIORITY":
		values = []any{0, 1, 6}
	case "TCP_CONGESTION":
		values = []any{"reno", "nonesuch"}
	}
	for _, try := range values {
		if err := k.Setsockopt(s, o.Level, o.Num, try); err != nil {
			k.note("set", try, err)
			continue
		}
		v, err := k.Getsockopt(s, o.Level, o.Num)
		k.note("set", try, v, err)
	}
}

// unlike lists the options whose values differ from Linux's, and why.
var unlike = map[string]string{
	"SO_SNDBUF":        "the smallest buffer is the host's (TCPConfig.SndBuf), Linux's is 4608",
	"SO_RCVBUF":        "the smallest buffer is the host's (TCPConfig.RcvBuf), Linux's is 2304",
	"SO_RCVLOWAT":      "Linux cuts it to half of the largest TCP buffer",
	"TCP_MAXSEG":       "0 cannot take a value back",
	"TCP_SYNCNT":       "at most 6, netstack's own limit",
	"TCP_DEFER_ACCEPT": "Linux rounds up to a number of retransmissions; netstack has at most 120 s",
	"TCP_INFO":         "ours is a struct of Go",
	"IP_MULTICAST_IF":  "ours is a struct of Go",
	"SO_BINDTOIFINDEX": "Linux also takes the number of no interface",
	"IPV6_MTU":         "on Linux it can be set too",
}

// ownDefault lists the options whose default is a setting of the host.
var ownDefault = map[string]bool{"SO_SNDBUF": true, "SO_RCVBUF": true, "TCP_CONGESTION": true}

// TestOptionsAsLinux sets every option that is not refused on every kind of
// socket, here and on Linux: each value must be taken, refused and read back
// alike, for options that exist for the socket and for those that do not.
func TestOptionsAsLinux(t *testing.T) {
	for _, o := range sockapi.Options() {
		if o.Status == sockapi.Refused {
			continue
		}
		t.Run(o.Name, func(t *testing.T) {
			same := true
			for _, kd := range kinds {
				linux := hostKit(t)
				linux.exercise(o, kd.family, kd.typ, !ownDefault[o.Name])
				inWorld(t, func(p *sockapi.Proc) {
					k := &kit{kernel: p, t: t}
					k.exercise(o, kd.family, kd.typ, !ownDefault[o.Name])
					if unlike[o.Name] == "" {
						require.Equal(t, linux.done(), k.done(), kd.name)
					}
					same = same && linux.done() == k.done()
				})
			}
			if unlike[o.Name] != "" {
				require.False(t, same, "it is like Linux's: take it out of the list")
			}
		})
	}
}

// TestOptionRoundTrip sets every simulated or stored option that can be set to
// two different values: what is read back must be what was set last.
func TestOptionRoundTrip(t *testing.T) {
	values := map[sockapi.OptType][2]any{
		sockapi.Bool: {true, false}, sockapi.Int: {100, 3}, sockapi.Seconds: {5, 50}, sockapi.Millis: {500, 0},
		sockapi.Timeval: {time.Second, 0 * ms}, sockapi.LingerT: {sockapi.Linger{On: true, Seconds: 3}, sockapi.Linger{On: true}},
		sockapi.String: {"reno", "cubic"},
	}
	special := map[string][2]any{
		"SO_SNDBUF": {20000, 30000}, "SO_RCVBUF": {20000, 30000}, "TCP_MAXSEG": {500, 600},
		"IP_MTU_DISCOVER": {0, 1}, "TCP_SYNCNT": {2, 5}, "IPV6_TCLASS": {8, 16}, "IP_TOS": {8, 16},
		"SO_BINDTODEVICE": {"lo", ""}, "SO_BINDTOIFINDEX": {1, 0}, "IPV6_MULTICAST_IF": {1, 0},
		"IP_MULTICAST_IF":     {sockapi.Mreq{Ifindex: 1}, sockapi.Mreq{Local: netip.MustParseAddr("127.0.0.1"), Ifindex: 1}},
		"IPV6_MULTICAST_LOOP": {1, 0}, "IPV6_CHECKSUM": {2, -1},
	}
	inWorld(t, func(p *sockapi.Proc) {
		for _, o := range sockapi.Options() {
			oneWay := strings.HasPrefix(o.Note, "read-only") || strings.HasPrefix(o.Note, "write-only")
			if o.Status == sockapi.Refused || oneWay {
				continue
			}
			family := inet
			if o.Level == sockapi.IPPROTO_IPV6 {
				family = inet6
			}
			pair, ok := special[o.Name]
			if !ok {
				pair = values[o.Type]
			}
			for _, v := range pair {
				typ, proto := kindFor(o)
				s, err := p.Socket(family, typ, proto)
				require.NoError(t, err)
				require.NoError(t, p.Setsockopt(s, o.Level, o.Num, v), o.Name)
				got, err := p.Getsockopt(s, o.Level, o.Num)
				require.NoError(t, err)
				if o.Name == "SO_SNDBUF" || o.Name == "SO_RCVBUF" {
					v = 2 * v.(int) // socket(7)
				}
				require.Equal(t, v, got, o.Name)
			}
		}
	})
}

// kindFor is a type of socket that takes the option.
func kindFor(o sockapi.Option) (typ, proto int) {
	switch {
	case strings.HasPrefix(o.Note, "raw sockets"):
		return sockapi.SOCK_RAW, sockapi.IPPROTO_UDP
	case strings.Contains(o.Name, "MULTICAST"):
		return dgram, 0
	}
	return stream, 0
}

// TestOptionDefaults: the default that the table promises is what a fresh
// socket says.
func TestOptionDefaults(t *testing.T) {
	inWorld(t, func(p *sockapi.Proc) {
		for _, o := range sockapi.Options() {
			if o.Status == sockapi.Refused || o.Default == nil {
				continue
			}
			typ, proto := kindFor(o)
			s, err := p.Socket(inet6, typ, proto)
			require.NoError(t, err)
			v, err := p.Getsockopt(s, o.Level, o.Num)
			require.NoError(t, err, o.Name)
			require.Equal(t, o.Default, v, o.Name)
		}
	})
}

func warnings(c *collector) []string {
	var out []string
	for _, w := range bodies[*trace.Warning](c) {
		out = append(out, w.Text)
	}
	return out
}

// TestRefusedOptions: each fails with ENOPROTOOPT, for set and for get, and
// each time a warning says why: nothing is accepted and ignored.
func TestRefusedOptions(t *testing.T) {
	for _, o := range sockapi.Options() {
		if o.Status != sockapi.Refused {
			continue
		}
		t.Run(o.Name, func(t *testing.T) {
			c := inWorld(t, func(p *sockapi.Proc) {
				s, err := p.Socket(inet6, stream, 0) // it has every level
				require.NoError(t, err)
				require.ErrorIs(t, p.Setsockopt(s, o.Level, o.Num, 1), sockapi.ENOPROTOOPT)
				_, err = p.Getsockopt(s, o.Level, o.Num)
				require.ErrorIs(t, err, sockapi.ENOPROTOOPT)
			})
			w := warnings(c)
			require.Len(t, w, 2, "one for set, one for get")
			require.Contains(t, w[0], o.Name)
			require.Contains(t, w[0], o.Note)
			require.NotEmpty(t, o.Note)
		})
	}
}

// TestStoredOptions: setting one to what it is anyway is no event; another
// value warns that it changes nothing.
func TestStoredOptions(t *testing.T) {
	for _, o := range sockapi.Options() {
		if o.Status != sockapi.Stored {
			continue
		}
		t.Run(o.Name, func(t *testing.T) {
			c := inWorld(t, func(p *sockapi.Proc) {
				s, err := p.Socket(inet, stream, 0)
				require.NoError(t, err)
				require.NoError(t, p.Setsockopt(s, o.Level, o.Num, o.Default))
				other := any(7)
				if b, ok := o.Default.(bool); ok {
					other = !b
				}
				require.NoError(t, p.Setsockopt(s, o.Level, o.Num, other))
				got, err := p.Getsockopt(s, o.Level, o.Num)
				require.NoError(t, err)
				require.Equal(t, other, got)
			})
			w := warnings(c)
			require.Len(t, w, 1)
			require.Contains(t, w[0], o.Name)
			require.Contains(t, w[0], "changes nothing")
		})
	}
}

func TestOptionMisuse(t *testing.T) {
	c := inWorld(t, func(p *sockapi.Proc) {
		s, err := p.Socket(inet, stream, 0)
		require.NoError(t, err)
		for _, o := range []struct {
			name       string
			level, num int
			value      any
			want       sockapi.Errno
		}{
			{"unknown number", sockapi.SOL_SOCKET, 9999, 1, sockapi.ENOPROTOOPT},
			{"unknown level", 9999, 1, 1, sockapi.ENOPROTOOPT},
			{"read-only", sockapi.SOL_SOCKET, sockapi.SO_TYPE, 1, sockapi.ENOPROTOOPT},
			{"a string for an int", sockapi.SOL_SOCKET, sockapi.SO_RCVBUF, "1", sockapi.EINVAL},
			{"an int for a linger", sockapi.SOL_SOCKET, sockapi.SO_LINGER, 1, sockapi.EINVAL},
			{"a negative time", sockapi.SOL_SOCKET, sockapi.SO_RCVTIMEO, -ms, sockapi.EDOM},
		} {
			require.ErrorIs(t, p.Setsockopt(s, o.level, o.num, o.value), o.want, o.name)
		}
		for name, want := range map[int]any{sockapi.SO_TYPE: stream, sockapi.SO_DOMAIN: inet, sockapi.SO_PROTOCOL: sockapi.IPPROTO_TCP, sockapi.SO_ACCEPTCONN: 0} {
			v, err := p.Getsockopt(s, sockapi.SOL_SOCKET, name)
			require.NoError(t, err)
			require.Equal(t, want, v)
		}
		require.NoError(t, p.Listen(s, 1))
		v, err := p.Getsockopt(s, sockapi.SOL_SOCKET, sockapi.SO_ACCEPTCONN)
		require.NoError(t, err)
		require.Equal(t, 1, v)
	})
	require.Len(t, warnings(c), 2, "the two options that do not exist")
}
