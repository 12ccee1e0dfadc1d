package star_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"fivetuple/scenarios/star"

	"github.com/stretchr/testify/require"
)

// TestBadScripts runs scenarios with one mistake each: testdata/bad/*.star.
// Their format is starlark-go's chunkedfile: chunks are separated by lines of
// "---", and the line on which a chunk fails ends in ### "regexp".
func TestBadScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.star")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, path := range files {
		src, err := os.ReadFile(path)
		require.NoError(t, err)
		file := filepath.Base(path)
		for _, c := range chunks(t, string(src)) {
			t.Run(file+":"+strconv.Itoa(c.line), func(t *testing.T) {
				err := runScript(t, file, c.src)
				require.Error(t, err)
				where := file + ":" + strconv.Itoa(c.line) + ": "
				require.True(t, strings.HasPrefix(err.Error(), where), "want %q and a message, got:\n%s", where, err)
				require.Regexp(t, "^"+regexp.QuoteMeta(where)+"(?s:.*)"+c.want, err.Error())
				require.NotContains(t, err.Error()[len(where):], file+":", "one place is named, once")
			})
		}
	}
}

// chunk is one scenario of a file; blank lines before it keep line numbers.
type chunk struct {
	src  string
	line int
	want string // a regular expression
}

var mark = regexp.MustCompile(`### (".*")$`)

func chunks(t *testing.T, src string) []chunk {
	t.Helper()
	var out []chunk
	start := 0
	lines := strings.Split(src, "\n")
	for i := 0; i <= len(lines); i++ {
		if i < len(lines) && lines[i] != "---" {
			continue
		}
		c := chunk{src: strings.Repeat("\n", start) + strings.Join(lines[start:i], "\n")}
		for j, l := range lines[start:i] {
			if m := mark.FindStringSubmatch(l); m != nil {
				require.Zero(t, c.line, "line %d: a chunk fails once", start+j+1)
				want, err := strconv.Unquote(m[1])
				require.NoError(t, err, "line %d", start+j+1)
				c.line, c.want = start+j+1, want
			}
		}
		require.NotZero(t, c.line, "the chunk that ends at line %d has no ###", i)
		out, start = append(out, c), i+1
	}
	return out
}

// runScript parses and runs a script with a small limit on its steps.
func runScript(t *testing.T, file, src string) error {
	t.Helper()
	s, err := star.Parse(file, []byte(src))
	if err != nil {
		return err
	}
	r, err := s.Run(context.Background(), star.Config{Seed: 1, MaxSteps: 100_000})
	r.World.Close()
	return err
}
