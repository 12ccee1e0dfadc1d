package archtest

import (
	"bytes"
	"go/ast"
	"go/format"
	"path"
	"slices"
	"strings"
	"testing"
)

func TestSizes(t *testing.T) { eachSource(t, checkSizes) }

func checkSizes(s *source) []string {
	if s.isTest() {
		return nil
	}
	var problems []string
	if n := s.lines(); n > maxFileLines {
		problems = append(problems, s.at(s.file.FileEnd, "the file has %d lines, of %d at most: %s", n, maxFileLines, sizeWhy))
	}
	for _, decl := range s.file.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || isTable(fn) {
			continue
		}
		if n := s.fset.Position(fn.End()).Line - s.fset.Position(fn.Pos()).Line + 1; n > maxFuncLines {
			problems = append(problems, s.at(fn.Pos(), "%s has %d lines, of %d at most: %s; if it is one table or one parser's switch, say so above it: // table: or // parser:",
				fn.Name.Name, n, maxFuncLines, sizeWhy))
		}
	}
	return problems
}

// isTable reports whether the comment above a function says that it is long
// because it is a table or a parser.
func isTable(fn *ast.FuncDecl) bool {
	if fn.Doc == nil {
		return false
	}
	return slices.ContainsFunc(fn.Doc.List, func(c *ast.Comment) bool {
		return strings.HasPrefix(c.Text, "// table:") || strings.HasPrefix(c.Text, "// parser:")
	})
}

func TestGofmt(t *testing.T) { eachSource(t, checkFormat) }

func checkFormat(s *source) []string {
	want, err := format.Source(s.data)
	if err != nil {
		return []string{s.at(s.file.Package, "gofmt: %v", err)}
	}
	if bytes.Equal(s.data, want) {
		return nil
	}
	got, fmted := bytes.Split(s.data, []byte("\n")), bytes.Split(want, []byte("\n"))
	line := 0
	for line < min(len(got), len(fmted))-1 && bytes.Equal(got[line], fmted[line]) {
		line++
	}
	return []string{s.at(s.file.FileStart+1, "gofmt -w it (first difference in line %d): one format leaves nothing to argue about", line+1)}
}

// markers are promises to nobody.
var markers = []string{"TODO", "FIXME"}

const markerWhy = "do it, or open an issue: nobody reads these"

// TestMarkers looks at sources of every language, tests excepted.
func TestMarkers(t *testing.T) {
	kinds := []string{".go", ".star", ".pkt", ".sh", ".cc", ".js", ".html", ".css"}
	walk(t, func(name string) {
		if strings.HasSuffix(name, "_test.go") || !slices.Contains(kinds, path.Ext(name)) {
			return
		}
		for i, line := range strings.Split(string(read(t, name)), "\n") {
			for _, m := range markers {
				if strings.Contains(line, m) {
					t.Errorf("%s:%d: %s: %s", name, i+1, m, markerWhy)
				}
			}
		}
	})
}

func TestCheckSizes(t *testing.T) {
	long := func(doc string, n int) string {
		return "package p\n\n" + doc + "func f() {\n" + strings.Repeat("\tg()\n", n-2) + "}\n"
	}
	wantProblems(t, checkSizes, "sim/x.go", long("", maxFuncLines))
	wantProblems(t, checkSizes, "sim/x.go", long("", maxFuncLines+1), "sim/x.go:3: f has 81 lines, of 80 at most")
	wantProblems(t, checkSizes, "sim/x.go", long("// f does.\n//\n// table: one row a call\n", 100))
	wantProblems(t, checkSizes, "sim/x.go", long("// parser: one case a token\n", 100))
	wantProblems(t, checkSizes, "sim/x_test.go", long("", 500))
	wantProblems(t, checkSizes, "sim/x.go", "package p\n"+strings.Repeat("// a line\n", maxFileLines-1))
	wantProblems(t, checkSizes, "sim/x.go", "package p\n"+strings.Repeat("// a line\n", maxFileLines), "sim/x.go:401: the file has 401 lines")
}

func TestCheckFormat(t *testing.T) {
	wantProblems(t, checkFormat, "sim/x.go", "package p\n\nvar x = 1\n")
	wantProblems(t, checkFormat, "sim/x.go", "package p\n\nvar  x = 1\n", "sim/x.go:1: gofmt -w it (first difference in line 3)")
}
