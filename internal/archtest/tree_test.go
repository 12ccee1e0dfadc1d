package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// source is one Go file of the repository.
type source struct {
	name string // slash-separated, from the repository's root
	data []byte
	fset *token.FileSet
	file *ast.File
}

func parse(name string, data []byte) (*source, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, data, parser.ParseComments)
	return &source{name: name, data: data, fset: fset, file: file}, err
}

func (s *source) pkg() string  { return path.Dir(s.name) }
func (s *source) isTest() bool { return strings.HasSuffix(s.name, "_test.go") }
func (s *source) lines() int   { return bytes.Count(s.data, []byte("\n")) }

// at starts every message: a broken rule is found by its place.
func (s *source) at(pos token.Pos, format string, args ...any) string {
	return fmt.Sprintf("%s:%d: ", s.name, s.fset.Position(pos).Line) + fmt.Sprintf(format, args...)
}

const root = "../.."

// walk calls visit for each file of the repository, with its name from the
// root. It reads folders itself, so `go test` sees what the result depends on
// and does not reuse it when a file appears.
func walk(t *testing.T, visit func(name string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(p, filepath.FromSlash(root+"/")))
		if d.IsDir() {
			if p != root && (skipDir(d.Name()) || isModule(p)) {
				return filepath.SkipDir
			}
			return nil
		}
		visit(name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func skipDir(base string) bool {
	return base == "testdata" || base == "vendor" || base == "bin" ||
		strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")
}

// isModule reports whether a folder is a module of its own.
func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// eachSource runs a check over every Go file and reports what it finds.
func eachSource(t *testing.T, check func(*source) []string) {
	t.Helper()
	n := 0
	walk(t, func(name string) {
		if !strings.HasSuffix(name, ".go") {
			return
		}
		n++
		s, err := parse(name, read(t, name))
		if err != nil {
			t.Errorf("does not parse: %v", err)
			return
		}
		for _, problem := range check(s) {
			t.Error(problem)
		}
	})
	if n < 5 {
		t.Fatalf("found %d Go files: is %s still the root of the repository?", n, root)
	}
}

// wantProblems parses src as the named file, and compares the start of each
// problem that check finds with want.
func wantProblems(t *testing.T, check func(*source) []string, name, src string, want ...string) {
	t.Helper()
	s, err := parse(name, []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	got := check(s)
	for i := 0; i < max(len(got), len(want)); i++ {
		switch {
		case i >= len(got):
			t.Errorf("missed: %s", want[i])
		case i >= len(want):
			t.Errorf("unexpected: %s", got[i])
		case !strings.HasPrefix(got[i], want[i]):
			t.Errorf("got  %s\nwant %s", got[i], want[i])
		}
	}
}
