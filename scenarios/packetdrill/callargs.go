package packetdrill

import (
	"net/netip"

	"fivetuple/sockapi"
)

// callArgs are the arguments of a call, by their place.
type callArgs struct {
	r    *runner
	c    *Call
	line int
}

func (a *callArgs) bad(format string, args ...any) {
	panic(problem(Dialect, a.line, a.c.Name+": "+format, args...))
}

func (a *callArgs) arg(i int) Expr {
	if i >= len(a.c.Args) {
		a.bad("argument %d is missing", i+1)
	}
	return a.c.Args[i]
}

func (a *callArgs) int(i int) int64 { return a.number(a.arg(i)) }

// number is the value of an expression: a number, a word, a|b, or one of them
// in a list.
func (a *callArgs) number(e Expr) int64 {
	switch e.Kind {
	case Number:
		return e.Int
	case Word:
		v, ok := a.r.constant(e.Text)
		if !ok {
			a.bad("the word %q is not known", e.Text)
		}
		return v
	case Or:
		v := int64(0)
		for _, x := range e.List {
			v |= a.number(x)
		}
		return v
	case List, Apply:
		if len(e.List) == 1 {
			return a.number(e.List[0])
		}
	}
	a.bad("%s is not a number", e)
	return 0
}

// fd is our descriptor for one of the script's.
func (a *callArgs) fd(i int) int { return a.r.fd(a.int(i)) }

// noSuchFD stands for a descriptor that the script never got.
const noSuchFD = 1 << 20

func (r *runner) fd(script int64) int {
	if fd, ok := r.fds[script]; ok {
		return fd
	}
	return noSuchFD
}

// maxData bounds what one call sends or receives.
const maxData = 1 << 28

// size is a number of bytes.
func (a *callArgs) size(e Expr) int {
	n := a.number(e)
	if n < 0 || n > maxData {
		a.bad("a size of %d: need 0 to %d", n, maxData)
	}
	return int(n)
}

// buffer checks an argument that points to data: all data is zeros. It reports
// whether that is a bad pointer to data of a size.
func (a *callArgs) buffer(i int) (bad bool) {
	e := a.arg(i)
	switch {
	case e.Kind == Ellipsis || e.Kind == String || e.Kind == Concat:
	case nowhere(e):
		return a.sized(i+1) != 0
	default:
		a.bad("%s: data is written ... in scripts", e)
	}
	return false
}

func (a *callArgs) sized(i int) int64 {
	if i < len(a.c.Args) {
		return a.int(i)
	}
	return 0
}

// addr is a socket address: ... is the one of the settings.
func (a *callArgs) addr(i int, ip netip.Addr, port int) netip.AddrPort {
	e := a.arg(i)
	switch e.Kind {
	case Ellipsis:
		return a.r.sockaddr(ip, uint16(port))
	case Word:
		if e.Text == "AF_UNSPEC" || e.Text == "NULL" {
			return netip.AddrPort{}
		}
	case Struct:
		return a.sockaddrStruct(e)
	}
	a.bad("%s is not a socket address", e)
	return netip.AddrPort{}
}

// sockaddr is an address as the script's sockets write it.
func (r *runner) sockaddr(ip netip.Addr, port uint16) netip.AddrPort {
	if r.set.IPVersion == Mapped {
		ip = netip.AddrFrom16(ip.As16())
	}
	return netip.AddrPortFrom(ip, port)
}

// sockaddrStruct reads {sa_family=AF_INET, sin_port=htons(1), sin_addr=inet_addr("10.0.0.1")}.
func (a *callArgs) sockaddrStruct(e Expr) netip.AddrPort {
	var ip netip.Addr
	port := int64(0)
	for _, f := range e.Fields {
		switch f.Name {
		case "sin_port", "sin6_port":
			port = a.number(f.Value)
		case "sin_addr", "sin6_addr":
			ip = a.address(f.Value)
		case "sa_family":
			if f.Value.Text == "AF_UNSPEC" {
				return netip.AddrPort{}
			}
		case "sin6_flowinfo", "sin6_scope_id":
		default:
			a.bad("field %q of a socket address is not known", f.Name)
		}
	}
	if !ip.IsValid() || port < 0 || port > 65535 {
		a.bad("%s: a socket address has an address and a port", e)
	}
	return netip.AddrPortFrom(ip, uint16(port))
}

// address reads inet_addr("10.0.0.1") and in6addr_any and the like.
func (a *callArgs) address(e Expr) netip.Addr {
	switch {
	case e.Kind == Apply && len(e.List) > 0 && e.List[len(e.List)-1].Kind == String:
		if ip, err := netip.ParseAddr(e.List[len(e.List)-1].Text); err == nil {
			return ip
		}
	case e.Kind == Word && e.Text == "INADDR_ANY":
		return netip.IPv4Unspecified()
	case e.Kind == Word && e.Text == "in6addr_any":
		return netip.IPv6Unspecified()
	}
	a.bad("%s is not an IP address", e)
	return netip.Addr{}
}

// flags splits the flags of a send or receive into those that sockapi knows.
// Those that it does not know are no reason to stop: what the script expects
// may hold all the same.
func (a *callArgs) flags(v int64) int {
	if !a.r.tgt.Lacks("MSG_ZEROCOPY") {
		return int(v)
	}
	if v&msgEOR != 0 {
		a.r.doubtful("MSG_EOR", "netstack does not mark the end of a record")
	}
	if v&msgFastOpen != 0 {
		panic(unsupported(a.line, featureTFO, "MSG_FASTOPEN: netstack has no TCP Fast Open (RFC 7413)"))
	}
	return int(v &^ (msgEOR | msgZeroCopy))
}

// field is a field of a structure by its name, or by its place if it has none.
func (a *callArgs) field(e Expr, name string, place int) (Field, bool) {
	if e.Kind != Struct {
		a.bad("%s is not a structure", e)
	}
	for i, f := range e.Fields {
		if f.Name == name || f.Name == "" && i == place {
			return f, true
		}
	}
	return Field{}, false
}

func (a *callArgs) intField(e Expr, name string, place int) int64 {
	f, ok := a.field(e, name, place)
	if !ok {
		return 0
	}
	return a.number(f.Value)
}

// iovec is the sizes of [{..., 10}, {..., 20}].
func (a *callArgs) iovec(e Expr) [][]byte {
	if e.Kind != List {
		a.bad("%s is not a list of buffers", e)
	}
	var out [][]byte
	total := 0
	for _, x := range e.List {
		f, ok := a.field(x, "iov_len", 1)
		if !ok {
			a.bad("%s: a buffer is {..., size}", x)
		}
		n := a.size(f.Value)
		if total += n; total > maxData {
			a.bad("the buffers have more than %d bytes", maxData)
		}
		const apart = 16 // a kernel that sends without copying joins buffers that touch
		out = append(out, make([]byte, n, n+apart))
	}
	return out
}

// domain is socket's first argument: ... is the family of the settings.
func (a *callArgs) domain() int {
	if a.arg(0).Kind != Ellipsis {
		return int(a.int(0))
	}
	if a.r.set.IPVersion == IPv4 {
		return sockapi.AF_INET
	}
	return sockapi.AF_INET6
}
