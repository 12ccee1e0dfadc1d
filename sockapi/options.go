package sockapi

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"fivetuple/stack"
	"fivetuple/trace"
)

// Status says what setting an option does.
type Status string

const (
	// Simulated options change what the stack does, as on Linux.
	Simulated Status = "simulated"
	// Stored options are remembered and read back, but change nothing; setting
	// one to another value than its default emits a warning.
	Stored Status = "stored"
	// Refused options fail with ENOPROTOOPT and a warning: netstack cannot
	// honour them, and silence would make a result a lie.
	Refused Status = "refused"
)

// OptType is the Go type of an option's value.
type OptType string

const (
	Int     OptType = "int"     // int
	Bool    OptType = "bool"    // bool; any int, as in C: not 0 is true
	LingerT OptType = "linger"  // Linger
	Timeval OptType = "timeval" // time.Duration; 0 is no limit
	Seconds OptType = "seconds" // int, whole seconds
	Millis  OptType = "ms"      // int, milliseconds
	String  OptType = "string"  // string
	Info    OptType = "info"    // TCPInfo
	MreqT   OptType = "mreq"    // Mreq; a netip.Addr is also taken, as the group
)

// Linger is struct linger: SO_LINGER's value.
type Linger struct {
	On      bool
	Seconds int
}

// TCPInfo is what netstack knows of struct tcp_info: TCP_INFO's value. Fields
// of Linux that netstack does not keep are absent, not zero.
type TCPInfo struct {
	State trace.TCPState
	trace.TCPInfo
	stack.Counters
}

type optKey struct{ level, num int }

// Option is one row of the table of socket options.
type Option struct {
	Level     int
	Num       int
	LevelName string // "SOL_SOCKET"
	Name      string // "SO_REUSEADDR"
	Status    Status
	Type      OptType
	Default   any    // before anything is set; nil where it depends on the host
	Source    string // man page, or RFC
	Note      string // what differs from Linux, or why it is refused

	// on limits the option to TCP sockets ('s'), to those of AF_INET6 ('6'), to
	// raw ones ('r'); 0 = all of the level's.
	on  byte
	get func(*socket) (any, Errno)
	set func(*socket, any) Errno // nil: read-only
}

// Options lists the table, in its documented order.
func Options() []Option { return append([]Option(nil), optionTable...) }

var optionIndex = func() map[optKey]*Option {
	m := make(map[optKey]*Option, len(optionTable))
	for i := range optionTable {
		o := &optionTable[i]
		m[optKey{o.Level, o.Num}] = o
	}
	return m
}()

func lookupOption(s *socket, level, num int) (*Option, Errno) {
	o, ok := optionIndex[optKey{level, num}]
	if !ok || !o.appliesTo(s) {
		return nil, ENOPROTOOPT
	}
	return o, 0
}

func (o *Option) appliesTo(s *socket) bool {
	ip := s.family == AF_INET || s.family == AF_INET6
	if o.Level != SOL_SOCKET && !ip || o.Level == IPPROTO_IPV6 && s.family != AF_INET6 {
		return false
	}
	switch o.on {
	case 's':
		return s.stream()
	case 'r':
		return s.typ == SOCK_RAW
	}
	return true
}

func optArgs(fd, level, num int) string {
	if o, ok := optionIndex[optKey{level, num}]; ok {
		return fmt.Sprintf("%d, %s, %s", fd, o.LevelName, o.Name)
	}
	return fmt.Sprintf("%d, %d, %d", fd, level, num)
}

// Setsockopt sets a socket option: setsockopt(2). The value has the Go type
// of the option's row; int is also taken for bool, and for a timeval in
// seconds.
func (p *Proc) Setsockopt(fd, level, num int, value any) error {
	c := p.begin("setsockopt", fd, optArgs(fd, level, num)+", "+valueString(value))
	o, errno := c.file()
	if errno != 0 {
		return c.ret("", errno)
	}
	opt, errno := lookupOption(o.sock, level, num)
	if errno != 0 {
		c.warn("netstack has no such option for this socket")
		return c.ret("", errno)
	}
	if opt.Status == Refused {
		c.warn(opt.Note)
		return c.ret("", ENOPROTOOPT)
	}
	v, errno := opt.convert(value)
	if errno != 0 {
		return c.ret("", errno)
	}
	switch {
	case opt.Status == Stored:
		if v != opt.Default {
			c.warn("stored, but it changes nothing: " + opt.Note)
		}
		if opt.set != nil {
			errno = opt.set(o.sock, v)
		} else {
			o.sock.store(optKey{level, num}, v)
		}
	case opt.set == nil:
		errno = ENOPROTOOPT // read-only, as SO_ERROR and SO_TYPE
	default:
		if errno = opt.set(o.sock, v); errno == 0 && !slices.Contains(o.sock.changed, opt) {
			o.sock.changed = append(o.sock.changed, opt)
		}
	}
	return c.ret("0", errno)
}

func (s *socket) store(k optKey, v any) {
	if s.stored == nil {
		s.stored = make(map[optKey]any)
	}
	s.stored[k] = v
}

// Getsockopt reads a socket option: getsockopt(2). The value has the Go type
// of the option's row.
func (p *Proc) Getsockopt(fd, level, num int) (any, error) {
	c := p.begin("getsockopt", fd, optArgs(fd, level, num))
	o, errno := c.file()
	if errno != 0 {
		return nil, c.ret("", errno)
	}
	opt, errno := lookupOption(o.sock, level, num)
	switch {
	case errno != 0:
		if o.sock.family == AF_INET && level != SOL_SOCKET && level != IPPROTO_IP && level != o.sock.proto {
			errno = EOPNOTSUPP // do_ip_getsockopt; all others say ENOPROTOOPT
		}
		return nil, c.ret("", errno)
	case opt.Status == Refused:
		c.warn(opt.Note)
		return nil, c.ret("", ENOPROTOOPT)
	case opt.Status == Stored:
		v, ok := o.sock.stored[optKey{level, num}]
		if !ok {
			v = opt.Default
		}
		return v, c.ret(valueString(v), 0)
	}
	if opt.get == nil {
		return nil, c.ret("", ENOPROTOOPT) // write-only
	}
	v, errno := opt.get(o.sock)
	return v, c.ret(valueString(v), errno)
}

// convert brings a value to the option's Go type.
func (o *Option) convert(value any) (any, Errno) {
	if bad, ok := value.(badValue); ok {
		return nil, bad.errno
	}
	switch o.Type {
	case Bool:
		switch v := value.(type) {
		case bool:
			return v, 0
		case int:
			return v != 0, 0
		}
	case Int, Seconds, Millis:
		switch v := value.(type) {
		case int:
			return v, 0
		case bool:
			if v {
				return 1, 0
			}
			return 0, 0
		}
	case Timeval:
		switch v := value.(type) {
		case time.Duration:
			return v, 0
		case int:
			return time.Duration(v) * time.Second, 0
		}
	case LingerT:
		if v, ok := value.(Linger); ok {
			return v, 0
		}
	case String:
		if v, ok := value.(string); ok {
			return v, 0
		}
	case MreqT:
		switch v := value.(type) {
		case Mreq:
			return v, 0
		case netip.Addr:
			if v.IsMulticast() {
				return Mreq{Group: v}, 0
			}
			return Mreq{Local: v}, 0
		}
	case Info:
		return nil, ENOPROTOOPT // read-only
	}
	return nil, EINVAL
}

func valueString(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case bool:
		if v {
			return "1"
		}
		return "0"
	case Linger:
		on := 0
		if v.On {
			on = 1
		}
		return fmt.Sprintf("{onoff=%d, linger=%d}", on, v.Seconds)
	case string:
		return fmt.Sprintf("%q", v)
	case Mreq:
		return v.String()
	case TCPInfo:
		return fmt.Sprintf("{%s, cwnd %d, rtt %v, rto %v}", v.State, v.Cwnd, v.SRTT, v.RTO)
	}
	return fmt.Sprint(v)
}
