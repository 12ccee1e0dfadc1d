package packetdrill

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestHostile: what no person writes gets an error that names its line, and
// neither the stack nor a minute is used up. The bound on nesting is tested with
// enough of it to overflow any stack that it did not hold for; a test that hangs
// fails by go test's own limit.
func TestHostile(t *testing.T) {
	const deep = 100_000
	in := func(format string, n int) string { return strings.Repeat(format, n) }
	for _, tc := range []struct{ name, src, want string }{
		{"parentheses", "0 f(" + in("g(", deep) + in(")", deep) + ") = 0", "x.pkt:1: expressions are nested more than 32 deep"},
		{"brackets", "\n0 f(" + in("[", deep) + in("]", deep) + ") = 0", "x.pkt:2: expressions are nested more than 32 deep"},
		{"braces", "0 f(" + in("{", deep) + ") = 0", "x.pkt:1: expressions are nested more than 32 deep"},
		{"fields", "0 f(" + in("{a=", deep) + ") = 0", "x.pkt:1: expressions are nested more than 32 deep"},
		{"arguments of fields", "0 f(" + in("{a(", deep) + ") = 0", "x.pkt:1: expressions are nested more than 32 deep"},
		{"code", "0 %{ assert " + in("(", deep) + "1" + in(")", deep) + " }%", "x.pkt:1: code is nested too deep"},
		{"minus signs", "0 %{\nassert " + in("-", deep) + "1 }%", "x.pkt:2: code is nested too deep"},
		{"not", "0 %{ assert " + in("not ", deep) + "1 }%", "x.pkt:1: code is nested too deep"},
		{"binary", "0 close(3) = 0\n\x00\x01", "x.pkt:2: the file is no text: it has a byte 0 here"},
		{"UTF-16", "\xff\xfe0\x00", "x.pkt:1: the file begins with a byte order mark"},
		{"a mark", "\xef\xbb\xbf0 close(3) = 0", "x.pkt:1: the file begins with a byte order mark"},
		{"empty", "", "x.pkt:1: the script has no events"},
		{"a comment", "// nothing\n", "x.pkt:1: the script has no events"},
		{"enormous", in("0 close(3) = 0\n", 50<<20/15), "x.pkt:1: the script has more than 1048576 bytes"},
		{"many events", in("0 f()=0\n", maxEvents+1), "x.pkt:100001: a script has at most 100000 events"},
		{"options", "0 < S 0:0(0) win 1 <" + in("nop,", deep) + "nop>", "x.pkt:1: the TCP options take 100001 bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := Parse("x.pkt", []byte(tc.src), nil)
			if err == nil {
				r := Run(context.Background(), s, Config{Seed: 1})
				require.NotNil(t, r.Problem)
				err = r.Problem
				if r.World != nil {
					r.World.Close()
				}
			}
			require.ErrorContains(t, err, tc.want)
			require.Less(t, len(err.Error()), 1000, "an error that nobody can read")
		})
	}
}

// TestTruncated cuts a script with every construct at every byte: what is left
// is a script, or has an error at a line of its own.
func TestTruncated(t *testing.T) {
	for n := range everything {
		s, err := Parse("x.pkt", []byte(everything[:n]), nil)
		if err != nil {
			var p *Problem
			require.ErrorAs(t, err, &p)
			require.Positive(t, p.Line)
			require.LessOrEqual(t, p.Line, 1+strings.Count(everything[:n], "\n"), p)
			continue
		}
		again, err := Parse("x.pkt", []byte(Format(s)), nil)
		require.NoError(t, err)
		require.Equal(t, Format(s), Format(again))
	}
}

// FuzzCode: no code makes the evaluator panic or hang.
func FuzzCode(f *testing.F) {
	f.Add("assert 1 <= x <= 3 | 4, 'x=%d' % x\nx += -(1)\nprint('a' + \"b\"); y = not x == (1, 2)")
	f.Fuzz(func(t *testing.T, src string) {
		r := &runner{script: &Script{}, res: &Result{}, vars: map[string]value{"x": int64(3)}}
		p := r.guard(func() { r.code(&Command{Line: 1, Text: src}) })
		if p != nil {
			require.Positive(t, p.Line)
		}
	})
}
