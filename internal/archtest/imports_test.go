package archtest

import (
	"go/ast"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestImports(t *testing.T) { eachSource(t, checkImports) }

func checkImports(s *source) []string {
	r, ok := ruleFor(s.pkg())
	if !ok {
		return []string{s.at(s.file.Package, "package %s has no rule: add a row to internal/archtest/rules_test.go, with its reason", s.pkg())}
	}
	var problems []string
	for _, spec := range s.file.Imports {
		if why := refuse(s, r, importPath(spec)); why != "" {
			problems = append(problems, s.at(spec.Pos(), "%s may not import %s: %s", s.pkg(), importPath(spec), why))
		}
	}
	return problems
}

func importPath(spec *ast.ImportSpec) string {
	p, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		return spec.Path.Value // the parser has accepted it: cannot happen
	}
	return p
}

// refuse returns why a file may not have an import, or "".
func refuse(s *source, r rule, imp string) string {
	if own, ok := strings.CutPrefix(imp, module+"/"); ok {
		return refuseOwn(s, r, own)
	}
	if why, ok := gvisorForbidden[imp]; ok {
		return why
	}
	if !strings.Contains(strings.Split(imp, "/")[0], ".") {
		return "" // the standard library; clock rules are in clock_test.go
	}
	allowed := func(prefix string) bool { return under(imp, prefix) }
	if slices.ContainsFunc(r.third, allowed) {
		return ""
	}
	if (s.isTest() || forTests(s.pkg())) && slices.ContainsFunc(testModules, allowed) {
		return ""
	}
	if under(imp, gvisor) {
		return "gVisor is seen by stack and sockapi alone; the rest sees netip, our Errno and our own types"
	}
	return r.why
}

// refuseOwn judges an import of one of our packages. Tests may look at a
// package from above: Go itself keeps them from importing in a circle.
func refuseOwn(s *source, r rule, own string) string {
	switch {
	case s.isTest():
		return ""
	case forTests(own) && !forTests(s.pkg()):
		return "it is made for tests"
	case r.mayImport(own):
		return ""
	}
	return r.why
}

func TestCheckImports(t *testing.T) {
	for _, tc := range []struct{ name, file, imp, want string }{
		{"trace is a leaf", "trace/x.go", "fivetuple/stack", "trace/x.go:2: trace may not import fivetuple/stack: a leaf"},
		{"a writer imports trace", "trace/jsonl/x.go", "fivetuple/trace", ""},
		{"a writer does not import a writer", "trace/ladder/x.go", "fivetuple/trace/jsonl", "trace/ladder/x.go:2: trace/ladder may not"},
		{"a module in a writer", "trace/pcapng/x.go", "github.com/gopacket/gopacket/pcapgo", "trace/pcapng/x.go:2:"},
		{"left to right", "sim/x.go", "fivetuple/stack", ""},
		{"right to left", "stack/x.go", "fivetuple/sim", "stack/x.go:2: stack may not import fivetuple/sim: one host"},
		{"sim and its netem", "sim/x.go", "fivetuple/sim/netem", ""},
		{"netem is pure", "sim/netem/x.go", "fivetuple/trace", "sim/netem/x.go:2:"},
		{"sim knows no writer", "sim/x.go", "fivetuple/trace/pcapng", "sim/x.go:2:"},
		{"tun is beside sim", "tun/x.go", "fivetuple/sim", "tun/x.go:2:"},
		{"cmd wires", "cmd/fivetuple/x.go", "fivetuple/trace/pcapng", ""},
		{"cmd does not wrap", "cmd/fivetuple/x.go", "github.com/vishvananda/netlink", "cmd/fivetuple/x.go:2:"},
		{"gVisor in stack", "stack/x.go", gvisor + "/pkg/tcpip", ""},
		{"gVisor elsewhere", "sim/x.go", gvisor + "/pkg/tcpip", "sim/x.go:2: sim may not import " + gvisor + "/pkg/tcpip: gVisor is seen by"},
		{"gVisor in sim's test", "sim/x_test.go", gvisor + "/pkg/tcpip", "sim/x_test.go:2:"},
		{"gVisor's loopback", "stack/x.go", gvisor + "/pkg/tcpip/link/loopback", "stack/x.go:2:"},
		{"starlark in star", "scenarios/star/x.go", "go.starlark.net/starlark", ""},
		{"starlark elsewhere", "sim/x.go", "go.starlark.net/starlark", "sim/x.go:2:"},
		{"testify in a test", "stack/x_test.go", "github.com/stretchr/testify/require", ""},
		{"testify in a package for tests", "tun/tuntest/x.go", "github.com/stretchr/testify/require", ""},
		{"testify in the product", "stack/x.go", "github.com/stretchr/testify/require", "stack/x.go:2:"},
		{"a package for tests, in the product", "tun/x.go", "fivetuple/tun/tuntest", "tun/x.go:2: tun may not import fivetuple/tun/tuntest: it is made for tests"},
		{"a test from above", "stack/x_test.go", "fivetuple/sim", ""},
		{"a package without a rule", "newthing/x.go", "fmt", "newthing/x.go:1: package newthing has no rule"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var want []string
			if tc.want != "" {
				want = []string{tc.want}
			}
			wantProblems(t, checkImports, tc.file, "package p\nimport _ "+strconv.Quote(tc.imp), want...)
		})
	}
}

// Every rule and exception must be able to explain itself.
func TestRulesHaveReasons(t *testing.T) {
	for _, r := range rules {
		if r.why == "" {
			t.Errorf("rule for %s has no reason", r.pkg)
		}
	}
	for _, table := range []map[string]string{gvisorForbidden, clockFiles} {
		for name, why := range table {
			if why == "" {
				t.Errorf("%s has no reason", name)
			}
		}
	}
}
