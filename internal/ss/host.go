package ss

import (
	"net/netip"
	"strings"

	"fivetuple/trace"
)

// endOf is one end of a socket; that of a socket without a peer is all zero, as
// Linux has it.
func endOf(k *trace.Socket, peer bool) netip.AddrPort {
	if !peer {
		return k.Local
	}
	if k.Remote.IsValid() {
		return k.Remote
	}
	if k.V6 {
		return netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
	}
	return netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
}

// portPredicate is sport or dport, an operator, and a port.
func (p *parser) portPredicate(peer bool) (cond, error) {
	op, _ := p.operator()
	t := p.next()
	if t.kind != tokWord {
		return nil, p.errorf(t, "a port is missing, as in `dport = :80`")
	}
	family, rest := familyOf(t.text)
	rest = strings.TrimPrefix(strings.TrimPrefix(rest, "*"), ":")
	want, ok := parsePort(rest)
	if !ok {
		return nil, p.errorf(t, "%q is no port: write a number between 0 and 65535, as in `:80`", t.text)
	}
	return func(k *trace.Socket) bool {
		got := endOf(k, peer).Port()
		if !family.takes(k) {
			return false
		}
		switch op {
		case "=":
			return got == want
		case "!=":
			return got != want
		case "<":
			return got < want
		case ">":
			return got > want
		case "<=":
			return got <= want
		}
		return got >= want
	}, nil
}

// hostPredicate is src or dst, = or !=, and a host.
func (p *parser) hostPredicate(peer bool) (cond, error) {
	op, at := p.operator()
	if op != "=" && op != "!=" {
		return nil, p.errorf(at, "addresses are compared with = or !=; %q is for ports: `dport %s :80`", at.text, at.text)
	}
	t := p.next()
	if t.kind != tokWord {
		return nil, p.errorf(t, "an address is missing, as in `dst 10.0.0.0/8`")
	}
	h, ok := parseHost(t.text)
	if !ok {
		return nil, p.errorf(t, "%q is no address: write 10.0.0.1, 10.0.0.0/8, 10.0.0.1:80 or [2001:db8::1]:80; names are not resolved", t.text)
	}
	return func(k *trace.Socket) bool { return h.takes(k, endOf(k, peer)) == (op == "=") }, nil
}

// hostCond is [FAMILY:]ADDRESS[/LENGTH][:PORT]; what is not set is any.
type hostCond struct {
	family  familyCond
	prefix  netip.Prefix
	port    uint16
	hasPort bool
}

func (h hostCond) takes(k *trace.Socket, a netip.AddrPort) bool {
	return h.family.takes(k) && (!h.prefix.IsValid() || h.prefix.Contains(a.Addr())) && (!h.hasPort || h.port == a.Port())
}

// familyCond is "inet", "inet6" or "" for both.
type familyCond string

func (f familyCond) takes(k *trace.Socket) bool { return f == "" || k.V6 == (f == "inet6") }

func familyOf(s string) (family familyCond, rest string) {
	for _, f := range []familyCond{"inet", "inet6"} {
		if rest, ok := strings.CutPrefix(s, string(f)+":"); ok {
			return f, rest
		}
	}
	return "", s
}

func parseHost(s string) (h hostCond, ok bool) {
	h.family, s = familyOf(s)
	addr, port := s, ""
	switch {
	case strings.HasPrefix(s, "["):
		inside, rest, closed := strings.Cut(s[1:], "]")
		length, p, more := strings.Cut(rest, ":")
		if !closed || more && p == "" || length != "" && length[0] != '/' {
			return h, false
		}
		addr, port = inside+length, p
	case strings.Count(s, ":") == 1:
		addr, port, _ = strings.Cut(s, ":")
		if port == "" {
			return h, false
		}
	case s == "":
		return h, false
	}
	if port != "" && port != "*" {
		if h.port, h.hasPort = parsePort(port); !h.hasPort {
			return h, false
		}
	}
	if addr == "" || addr == "*" {
		return h, true
	}
	h.prefix, ok = parsePrefix(addr)
	return h, ok
}

// parsePrefix reads an address with or without a length, without the bits that
// the length leaves out. IPv4-mapped addresses are written as IPv4 in the trace.
func parsePrefix(s string) (netip.Prefix, bool) {
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, false
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err == nil
}
