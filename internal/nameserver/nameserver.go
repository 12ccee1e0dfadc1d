// Package nameserver answers DNS queries (RFC 1035) with the names of a world: the
// addresses of its hosts, and the hosts of its addresses. It is a function from a
// message to a message: sockets are somebody else's.
package nameserver

import (
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// Names is what is known.
type Names interface {
	// Lookup returns the addresses of a name in lower case; none for one that is
	// unknown.
	Lookup(name string) []netip.Addr
	// Reverse returns the name of an address, or "".
	Reverse(a netip.Addr) string
}

// TTL is how long an answer may be kept, in seconds: not at all, since a world
// changes.
const TTL = 0

// Limits of a message over UDP, in bytes: without EDNS (RFC 1035, 4.2.1), and with.
const (
	plainUDP = 512
	mostUDP  = 1232 // what crosses every IPv6 path (RFC 9715)
)

// Answer returns the answer to a query that came over UDP, or, without udp, over
// TCP, where it may be as long as it is. Nil: what came is no query, and gets no
// answer.
func Answer(query []byte, names Names, udp bool) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(query)
	if err != nil || h.Response {
		return nil // not even a header, or an answer
	}
	m := dnsmessage.Message{Header: dnsmessage.Header{
		ID: h.ID, Response: true, OpCode: h.OpCode, RecursionDesired: h.RecursionDesired, Authoritative: true}}
	questions, err := p.AllQuestions()
	switch {
	case h.OpCode != 0:
		m.RCode = dnsmessage.RCodeNotImplemented
	case err != nil || len(questions) != 1:
		m.RCode = dnsmessage.RCodeFormatError
	default:
		m.Questions = questions
		m.RCode = fill(&m, questions[0], names)
	}
	size, edns := room(&p)
	if edns {
		var opt dnsmessage.ResourceHeader
		if opt.SetEDNS0(mostUDP, 0, false) == nil {
			m.Additionals = []dnsmessage.Resource{{Header: opt, Body: &dnsmessage.OPTResource{}}}
		}
	}
	return pack(&m, udp, size)
}

// room is how long an answer over UDP may be.
func room(p *dnsmessage.Parser) (size int, edns bool) {
	if p.SkipAllAnswers() != nil || p.SkipAllAuthorities() != nil {
		return plainUDP, false
	}
	for {
		h, err := p.AdditionalHeader()
		if err != nil {
			return plainUDP, false
		}
		if h.Type == dnsmessage.TypeOPT {
			return min(max(int(h.Class), plainUDP), mostUDP), true // RFC 6891, 6.2.3
		}
		if p.SkipAdditional() != nil {
			return plainUDP, false
		}
	}
}

// pack writes the message; what is too long is cut, and says so.
func pack(m *dnsmessage.Message, udp bool, size int) []byte {
	b, err := m.Pack()
	if err != nil {
		return nil
	}
	if udp && len(b) > size {
		m.Truncated, m.Answers = true, nil
		if b, err = m.Pack(); err != nil {
			return nil
		}
	}
	return b
}

// fill answers one question.
func fill(m *dnsmessage.Message, q dnsmessage.Question, names Names) dnsmessage.RCode {
	if q.Class != dnsmessage.ClassINET && q.Class != dnsmessage.ClassANY {
		return dnsmessage.RCodeRefused
	}
	name := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	head := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: TTL}
	if a, ok := reversed(name); ok {
		host := names.Reverse(a)
		ptr, err := dnsmessage.NewName(host + ".")
		if host == "" || err != nil {
			return dnsmessage.RCodeNameError
		}
		if wants(q.Type, dnsmessage.TypePTR) {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.PTRResource{PTR: ptr}})
		}
		return dnsmessage.RCodeSuccess
	}
	addrs := names.Lookup(name)
	if len(addrs) == 0 {
		return dnsmessage.RCodeNameError
	}
	for _, a := range addrs {
		switch {
		case a.Is4() && wants(q.Type, dnsmessage.TypeA):
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: a.As4()}})
		case a.Is6() && wants(q.Type, dnsmessage.TypeAAAA):
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	return dnsmessage.RCodeSuccess
}

func wants(asked, is dnsmessage.Type) bool { return asked == is || asked == dnsmessage.TypeALL }

// reversed reads the name of an address: 2.0.77.10.in-addr.arpa (RFC 1035, 3.5),
// or 32 digits and ip6.arpa (RFC 3596, 2.5).
func reversed(name string) (netip.Addr, bool) {
	if list, ok := strings.CutSuffix(name, ".in-addr.arpa"); ok {
		parts := strings.Split(list, ".")
		if len(parts) != 4 {
			return netip.Addr{}, false
		}
		var b [4]byte
		for i, p := range parts {
			n, err := strconv.ParseUint(p, 10, 8)
			if err != nil {
				return netip.Addr{}, false
			}
			b[3-i] = byte(n)
		}
		return netip.AddrFrom4(b), true
	}
	list, ok := strings.CutSuffix(name, ".ip6.arpa")
	if digits := strings.Split(list, "."); ok && len(digits) == 32 {
		var b [16]byte
		for i, d := range digits {
			n, err := strconv.ParseUint(d, 16, 4)
			if err != nil || len(d) != 1 {
				return netip.Addr{}, false
			}
			b[15-i/2] |= byte(n) << (4 * (i % 2))
		}
		return netip.AddrFrom16(b), true
	}
	return netip.Addr{}, false
}
