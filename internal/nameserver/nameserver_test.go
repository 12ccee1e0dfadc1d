package nameserver_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"fivetuple/internal/nameserver"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
)

// table is what the tests' server knows.
type table map[string][]netip.Addr

func (t table) Lookup(name string) []netip.Addr { return t[name] }

func (t table) Reverse(a netip.Addr) string {
	for name, addrs := range t {
		for _, b := range addrs {
			if a == b {
				return name
			}
		}
	}
	return ""
}

var names = table{
	"lab":  {netip.MustParseAddr("10.77.0.2"), netip.MustParseAddr("fd77::2")},
	"old":  {netip.MustParseAddr("10.77.0.3")},
	"many": many(),
}

func many() (out []netip.Addr) {
	for i := range 100 {
		out = append(out, netip.AddrFrom4([4]byte{10, 1, 0, byte(i)}))
	}
	return out
}

// query packs a question; udpSize, if not 0, is that of EDNS.
func query(t testing.TB, name string, typ dnsmessage.Type, udpSize int) []byte {
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: 77, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: typ, Class: dnsmessage.ClassINET}}}
	if udpSize > 0 {
		var h dnsmessage.ResourceHeader
		require.NoError(t, h.SetEDNS0(udpSize, 0, false))
		m.Additionals = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.OPTResource{}}}
	}
	b, err := m.Pack()
	require.NoError(t, err)
	return b
}

// TestAnswer: each kind of question gets its records, and no others; the header is
// an authority's that answers the question.
func TestAnswer(t *testing.T) {
	for _, tt := range []struct {
		name string
		typ  dnsmessage.Type
		code dnsmessage.RCode
		want string
	}{
		{"lab.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, "10.77.0.2"},
		{"LAB.", dnsmessage.TypeAAAA, dnsmessage.RCodeSuccess, "fd77::2"},
		{"lab.", dnsmessage.TypeALL, dnsmessage.RCodeSuccess, "10.77.0.2 fd77::2"},
		{"lab.", dnsmessage.TypeMX, dnsmessage.RCodeSuccess, ""},
		{"old.", dnsmessage.TypeAAAA, dnsmessage.RCodeSuccess, ""},
		{"new.", dnsmessage.TypeA, dnsmessage.RCodeNameError, ""},
		{"2.0.77.10.in-addr.arpa.", dnsmessage.TypePTR, dnsmessage.RCodeSuccess, "lab."},
		{"9.0.77.10.in-addr.arpa.", dnsmessage.TypePTR, dnsmessage.RCodeNameError, ""},
		{"2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.7.7.d.f.ip6.arpa.", dnsmessage.TypePTR, dnsmessage.RCodeSuccess, "lab."},
		{"2.0.ip6.arpa.", dnsmessage.TypePTR, dnsmessage.RCodeNameError, ""},
		{"300.0.77.10.in-addr.arpa.", dnsmessage.TypePTR, dnsmessage.RCodeNameError, ""},
	} {
		t.Run(fmt.Sprint(tt.name, " ", tt.typ), func(t *testing.T) {
			var m dnsmessage.Message
			require.NoError(t, m.Unpack(nameserver.Answer(query(t, tt.name, tt.typ, 0), names, true)))
			require.Equal(t, dnsmessage.Header{ID: 77, Response: true, Authoritative: true, RecursionDesired: true, RCode: tt.code}, m.Header)
			require.Len(t, m.Questions, 1)
			var got []string
			for _, a := range m.Answers {
				require.Zero(t, a.Header.TTL)
				switch b := a.Body.(type) {
				case *dnsmessage.AResource:
					got = append(got, netip.AddrFrom4(b.A).String())
				case *dnsmessage.AAAAResource:
					got = append(got, netip.AddrFrom16(b.AAAA).String())
				case *dnsmessage.PTRResource:
					got = append(got, b.PTR.String())
				}
			}
			require.Equal(t, tt.want, strings.Join(got, " "))
		})
	}
}

// TestAnswerSize: what does not fit into a datagram is cut and says so, also where
// EDNS makes room; over TCP it is whole.
func TestAnswerSize(t *testing.T) {
	for _, tt := range []struct {
		edns    int
		udp     bool
		most    int
		answers int
	}{
		{0, true, 512, 0}, {4096, true, 1232, 0}, {0, false, 1 << 16, 100},
	} {
		b := nameserver.Answer(query(t, "many.", dnsmessage.TypeA, tt.edns), names, tt.udp)
		require.LessOrEqual(t, len(b), tt.most)
		var m dnsmessage.Message
		require.NoError(t, m.Unpack(b))
		require.Len(t, m.Answers, tt.answers)
		require.Equal(t, tt.answers == 0, m.Truncated)
		require.Equal(t, tt.edns > 0, len(m.Additionals) == 1, "an answer has EDNS if the question had")
	}
}

// TestAnswerRefuses: what is no question is not answered, and what cannot be
// answered is refused with the code for it.
func TestAnswerRefuses(t *testing.T) {
	require.Nil(t, nameserver.Answer([]byte("short"), names, true))
	q := query(t, "lab.", dnsmessage.TypeA, 0)
	answer := append([]byte(nil), q...)
	answer[2] |= 0x80
	require.Nil(t, nameserver.Answer(answer, names, true), "two servers must not answer each other for ever")
	for _, tt := range []struct {
		change func(b []byte) []byte
		want   dnsmessage.RCode
	}{
		{func(b []byte) []byte { b[2] |= 0x28; return b }, dnsmessage.RCodeNotImplemented}, // opcode 5
		{func(b []byte) []byte { return b[:len(b)-2] }, dnsmessage.RCodeFormatError},       // cut
		{func(b []byte) []byte { b[5] = 0; return b[:12] }, dnsmessage.RCodeFormatError},   // no question
		{func(b []byte) []byte { b[len(b)-1] = 3; return b }, dnsmessage.RCodeRefused},     // class CHAOS
	} {
		var m dnsmessage.Message
		require.NoError(t, m.Unpack(nameserver.Answer(tt.change(append([]byte(nil), q...)), names, true)))
		require.Equal(t, tt.want, m.RCode)
	}
}

// FuzzAnswer: whatever comes, the answer is none or a message that can be read,
// and never longer than a datagram may be.
func FuzzAnswer(f *testing.F) {
	f.Add(query(f, "lab.", dnsmessage.TypeA, 0))
	f.Add(query(f, "many.", dnsmessage.TypeALL, 4096))
	f.Fuzz(func(t *testing.T, b []byte) {
		a := nameserver.Answer(b, names, true)
		if a == nil {
			return
		}
		var p dnsmessage.Parser
		if _, err := p.Start(a); err != nil || len(a) > 1232 {
			t.Fatalf("%d bytes: %v", len(a), err)
		}
	})
}
