package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Publication is a way in: what comes to an address of the machine goes on to one
// inside, from netstack's own address there.
type Publication struct {
	// Proto is "tcp" or "udp".
	Proto string `json:"proto"`
	// Host is where the machine listens, Inside where it goes on to. A zero
	// address of Inside is for the caller to fill in.
	Host   netip.AddrPort `json:"host"`
	Inside netip.AddrPort `json:"inside"`
	// Ports is how many ports there are, from those of Host and Inside on.
	Ports int `json:"ports"`
}

// Published is a publication, and how many flows it has let in so far.
type Published struct {
	Publication
	Opened uint64
}

// publishForm is how a publication is written.
const publishForm = "it is written [HOST-ADDR:]PORT[-PORT]:[ADDR:]PORT[/udp], as 8080:80 or 0.0.0.0:8080:10.77.0.1:80, and an IPv6 address in brackets"

// ParsePublication reads "8080:80", "127.0.0.1:8080:10.77.0.1:80",
// "[::1]:5353:53/udp" or "8000-8009:9000", which is ten ports. Without a host
// address it is 127.0.0.1; without one inside it is left zero.
func ParsePublication(text string) (Publication, error) {
	p := Publication{Proto: "tcp", Ports: 1}
	fail := func(err error) (Publication, error) { return p, fmt.Errorf("%q: %w", text, err) }
	spec, proto, ok := strings.Cut(text, "/")
	if ok {
		p.Proto = proto
		if proto != "tcp" && proto != "udp" {
			return fail(fmt.Errorf("protocol %q: there are tcp and udp", proto))
		}
	}
	words, err := splitPublication(spec)
	if err != nil {
		return fail(err)
	}
	var host, inside portRange
	if host, words, err = takeEnd(words, "the machine's side"); err != nil {
		return fail(err)
	}
	if inside, words, err = takeEnd(words, "the inside"); err != nil {
		return fail(err)
	}
	switch {
	case len(words) > 0:
		return fail(fmt.Errorf("%q is too much: %s", words[0], publishForm))
	case inside.last != inside.first && inside.count() != host.count():
		return fail(fmt.Errorf("%d ports cannot become %d: write as many, or the first of them alone", host.count(), inside.count()))
	case inside.first+host.count()-1 > 65535:
		return fail(fmt.Errorf("%d ports from %d on are more than there are: the last one is 65535", host.count(), inside.first))
	}
	if !host.addr.IsValid() {
		host.addr = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	p.Host, p.Inside = netip.AddrPortFrom(host.addr, uint16(host.first)), netip.AddrPortFrom(inside.addr, uint16(inside.first))
	p.Ports = host.count()
	return p, nil
}

// splitPublication splits at the colons outside of brackets.
func splitPublication(text string) ([]string, error) {
	var words []string
	word, in := 0, false
	for i, c := range text {
		switch {
		case c == '[':
			in = true
		case c == ']':
			in = false
		case c == ':' && !in:
			words, word = append(words, text[word:i]), i+1
		}
	}
	if in {
		return nil, errors.New("a bracket is not closed: " + publishForm)
	}
	words = append(words, text[word:])
	if len(words) < 2 {
		return nil, errors.New("there is one port: " + publishForm)
	}
	return words, nil
}

// portRange is one side of a publication.
type portRange struct {
	addr        netip.Addr // zero: none was written
	first, last int
}

func (r portRange) count() int { return r.last - r.first + 1 }

// takeEnd takes [ADDR:]PORT[-PORT] off the words. side is for errors.
func takeEnd(words []string, side string) (r portRange, rest []string, err error) {
	if len(words) > 0 && strings.ContainsAny(words[0], ".[") {
		if r.addr, err = publishAddr(words[0], side); err != nil {
			return r, nil, err
		}
		words = words[1:]
	}
	if len(words) == 0 {
		return r, nil, fmt.Errorf("%s has no port: %s", side, publishForm)
	}
	first, last, ranged := strings.Cut(words[0], "-")
	if r.first, err = publishPort(first, side); err != nil {
		return r, nil, err
	}
	r.last = r.first
	if ranged {
		if r.last, err = publishPort(last, side); err != nil {
			return r, nil, err
		}
	}
	if r.last < r.first {
		return r, nil, fmt.Errorf("%s: ports %s go downwards: write %s-%s", side, words[0], last, first)
	}
	return r, words[1:], nil
}

func publishAddr(word, side string) (netip.Addr, error) {
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(word, "["), "]"))
	switch {
	case err != nil:
		return a, fmt.Errorf("%s: %q is no address: %s", side, word, publishForm)
	case a.Is6() && a.IsLinkLocalUnicast():
		return a, fmt.Errorf("%s: %s is a link-local address, which is reached through one interface: use another address", side, word)
	case a.Zone() != "":
		return a, fmt.Errorf("%s: %s has a zone, which only link-local addresses need: leave it out", side, word)
	case a.IsMulticast():
		return a, fmt.Errorf("%s: %s is not the address of one host", side, word)
	}
	return a.Unmap(), nil
}

func publishPort(word, side string) (int, error) {
	n, err := strconv.ParseUint(word, 10, 16)
	switch {
	case word == "":
		return 0, fmt.Errorf("%s has no port: %s", side, publishForm)
	case err != nil && errors.Is(err, strconv.ErrSyntax):
		return 0, fmt.Errorf("%s: %q is no port: %s", side, word, publishForm)
	case err != nil || n == 0:
		return 0, fmt.Errorf("%s: there is no port %s: ports are 1 to 65535", side, word)
	}
	return int(n), nil
}

// String is the publication as [ParsePublication] reads it, with nothing left
// out but "/tcp".
func (p Publication) String() string {
	s := p.Ends(p.Host) + ":" + p.Ends(p.Inside)
	if p.Proto != "tcp" {
		s += "/" + p.Proto
	}
	return s
}

// Ends writes an end of a publication with all of its ports:
// "127.0.0.1:8000-8009".
func (p Publication) Ends(first netip.AddrPort) string {
	if p.Ports == 1 {
		return first.String()
	}
	return fmt.Sprintf("%s-%d", first, int(first.Port())+p.Ports-1)
}

// SameHost reports whether two publications have the same protocol and ports of the
// machine.
func (p Publication) SameHost(o Publication) bool {
	return p.Proto == o.Proto && p.Host == o.Host && p.Ports == o.Ports
}

// overlaps reports whether two publications want a port of the machine both.
// Whether one address covers the other is for the kernel to say.
func (p Publication) overlaps(o Publication) bool {
	return p.Proto == o.Proto && p.Host.Addr() == o.Host.Addr() &&
		int(p.Host.Port()) < int(o.Host.Port())+o.Ports && int(o.Host.Port()) < int(p.Host.Port())+p.Ports
}

// compare orders publications by protocol and the machine's address.
func (p Publication) compare(o Publication) int {
	return cmp.Or(cmp.Compare(p.Proto, o.Proto), p.Host.Compare(o.Host))
}
