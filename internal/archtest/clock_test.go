package archtest

import (
	"go/ast"
	"path"
	"slices"
	"testing"
)

func TestClock(t *testing.T) { eachSource(t, checkClock) }

// checkClock finds uses of the wall clock and of unseeded randomness. A
// function counts when it is named, not only when it is called: passing
// time.Now on is reading the clock too.
func checkClock(s *source) []string {
	r, _ := ruleFor(s.pkg())
	if _, excepted := clockFiles[s.name]; excepted || r.clock || s.isTest() {
		return nil
	}
	names, problems := importNames(s)
	ast.Inspect(s.file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		// A package's name resolves to nothing in the file; a variable does.
		id, ok := sel.X.(*ast.Ident)
		if !ok || id.Obj != nil {
			return true
		}
		if imp := names[id.Name]; usesClock(imp, sel.Sel.Name) {
			problems = append(problems, s.at(sel.Pos(), "%s uses %s.%s: %s", s.pkg(), imp, sel.Sel.Name, clockWhy))
		}
		return true
	})
	return problems
}

// importNames maps the names that a file gives to its imports to their paths,
// and reports imports that escape the check.
func importNames(s *source) (names map[string]string, problems []string) {
	names = make(map[string]string)
	for _, spec := range s.file.Imports {
		imp := importPath(spec)
		name := path.Base(imp)
		if imp == "math/rand/v2" {
			name = "rand"
		}
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = imp
		watched := clockNames[imp] != nil || isMathRand(imp)
		if slices.Contains(clockImports, imp) || watched && name == "." {
			problems = append(problems, s.at(spec.Pos(), "%s imports %s: %s", s.pkg(), imp, clockWhy))
		}
	}
	return names, problems
}

func isMathRand(imp string) bool { return imp == "math/rand" || imp == "math/rand/v2" }

func usesClock(imp, name string) bool {
	if isMathRand(imp) {
		return !slices.Contains(seededRand, name)
	}
	return slices.Contains(clockNames[imp], name)
}

func TestCheckClock(t *testing.T) {
	const now = "package p\nimport \"time\"\nvar x = time.Now()"
	for _, tc := range []struct{ name, file, src, want string }{
		{"a call", "sim/x.go", now, "sim/x.go:3: sim uses time.Now: time and randomness are arguments"},
		{"a value", "sim/x.go", "package p\nimport \"time\"\nvar x = time.Sleep", "sim/x.go:3:"},
		{"another name", "sim/x.go", "package p\nimport clk \"time\"\nvar x = clk.Now()", "sim/x.go:3: sim uses time.Now"},
		{"no name", "sim/x.go", "package p\nimport . \"time\"\nvar x = Now()", "sim/x.go:2: sim imports time"},
		{"a duration", "sim/x.go", "package p\nimport \"time\"\nvar x = time.Second", ""},
		{"a field called time", "sim/x.go", "package p\nfunc f(time struct{ Now int }) int { return time.Now }", ""},
		{"a deadline", "sim/x.go", "package p\nimport \"context\"\nvar x = context.WithTimeout", "sim/x.go:3:"},
		{"the global source", "sim/x.go", "package p\nimport \"math/rand\"\nvar x = rand.Intn(3)", "sim/x.go:3: sim uses math/rand.Intn"},
		{"the global source, v2", "stack/x.go", "package p\nimport \"math/rand/v2\"\nvar x = rand.N(3)", "stack/x.go:3:"},
		{"a seeded source", "sim/x.go", "package p\nimport \"math/rand/v2\"\nvar x = rand.New(rand.NewPCG(1, 2))", ""},
		{"the system's source", "sim/x.go", "package p\nimport _ \"crypto/rand\"", "sim/x.go:2: sim imports crypto/rand"},
		{"the paced driver", "sim/paced.go", now, ""},
		{"a real device", "tun/x.go", now, ""},
		{"the command", "cmd/fivetuple/x.go", now, ""},
		{"a test", "sim/x_test.go", now, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var want []string
			if tc.want != "" {
				want = []string{tc.want}
			}
			wantProblems(t, checkClock, tc.file, tc.src, want...)
		})
	}
}
