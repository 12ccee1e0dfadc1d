package gateway

import (
	"fmt"
	"net/netip"
	"strings"
)

// Mapping sends what is for one address inside to another one outside: the
// way to the machine's loopback addresses, which are closed otherwise.
type Mapping struct {
	// Inside is the address that programs use. Port 0 means all ports.
	Inside netip.AddrPort `json:"inside"`
	// Outside is what the gateway connects to. Port 0 keeps the port.
	Outside netip.AddrPort `json:"outside"`
}

// ParseMapping reads "10.77.0.3=127.0.0.1" or "10.77.0.3:53=127.0.0.53:53".
func ParseMapping(text string) (Mapping, error) {
	in, out, ok := strings.Cut(text, "=")
	if !ok {
		return Mapping{}, fmt.Errorf("%q: write ADDRESS=ADDRESS, as 10.77.0.3=127.0.0.1, or with ports, as 10.77.0.3:53=127.0.0.53:53", text)
	}
	m := Mapping{}
	var err error
	if m.Inside, err = parseEnd(in); err != nil {
		return m, err
	}
	if m.Outside, err = parseEnd(out); err != nil {
		return m, err
	}
	switch {
	case m.Inside.Addr().Is4() != m.Outside.Addr().Is4():
		return m, fmt.Errorf("%q: both addresses have to be of one family", text)
	case m.Inside.Port() == 0 && m.Outside.Port() != 0:
		return m, fmt.Errorf("%q: all ports of %s cannot become port %d; write the port on both sides", text, in, m.Outside.Port())
	case m.Inside.Addr().IsLoopback():
		return m, fmt.Errorf("%q: inside, %s is the program's own loopback, which nothing leaves: choose an address that nobody has, as 10.77.0.3 or fd77::3", text, m.Inside.Addr())
	case m.Outside.Addr().Is6() && m.Outside.Addr().IsLinkLocalUnicast():
		return m, fmt.Errorf("%q: %s is a link-local address, which is reached through one interface: choose another address of that machine's", text, m.Outside.Addr())
	}
	return m, nil
}

// Takes reports whether all that another mapping is about is for this one, where it
// is before it.
func (m Mapping) Takes(o Mapping) bool {
	return m.Inside.Addr() == o.Inside.Addr() && (m.Inside.Port() == 0 || m.Inside.Port() == o.Inside.Port())
}

// String is the mapping as [ParseMapping] reads it.
func (m Mapping) String() string { return endText(m.Inside) + "=" + endText(m.Outside) }

func endText(a netip.AddrPort) string {
	if a.Port() == 0 {
		return a.Addr().String()
	}
	return a.String()
}

// parseEnd reads an address, with or without a port.
func parseEnd(text string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.AddrPortFrom(a.Unmap(), 0), checkEnd(a, text)
	}
	ap, err := netip.ParseAddrPort(text)
	if err != nil {
		return ap, fmt.Errorf("%q: an address is written 10.77.0.3, 10.77.0.3:53, fd77::3 or [fd77::3]:53", text)
	}
	if ap.Port() == 0 {
		return ap, fmt.Errorf("%q: there is no port 0; leave the port out to mean all of them", text)
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), checkEnd(ap.Addr(), text)
}

func checkEnd(a netip.Addr, text string) error {
	if a.IsUnspecified() || a.IsMulticast() {
		return fmt.Errorf("%q: is not the address of one host", text)
	}
	if a.Zone() != "" {
		return fmt.Errorf("%q: has a zone, and a mapping is about addresses alone: choose one without", text)
	}
	return nil
}

// outside is where a connection to an inside address goes; ok is false if it
// may go nowhere.
func (c *Config) outside(to netip.AddrPort) (out netip.AddrPort, ok bool) {
	for _, m := range c.Map {
		if !m.Takes(Mapping{Inside: to}) {
			continue
		}
		if m.Outside.Port() == 0 {
			return netip.AddrPortFrom(m.Outside.Addr(), to.Port()), true
		}
		return m.Outside, true
	}
	a := to.Addr()
	return to, !(a.IsLoopback() || a.IsUnspecified() || a.IsLinkLocalUnicast() || a.Is4In6() || a.Is4() && a.As4()[0] == 0)
}
