package jsonl

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fivetuple/trace"
)

// doc is docs/trace-format.md.
func doc(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "trace-format.md"))
	require.NoError(t, err)
	return string(b)
}

// block is the text of the first fenced block in a language.
func block(t *testing.T, lang string) string {
	t.Helper()
	_, rest, ok := strings.Cut(doc(t), "\n```"+lang+"\n")
	require.True(t, ok, "no %s block", lang)
	text, _, ok := strings.Cut(rest, "\n```\n")
	require.True(t, ok, "%s block has no end", lang)
	return text + "\n"
}

// Every field that a line can have is in a table of the documentation, and
// every field there exists.
func TestFieldsAreDocumented(t *testing.T) {
	var fields []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Record]()) {
		fields = append(fields, f.Tag.Get("json"))
	}
	var documented []string
	jsonlPart, _, _ := strings.Cut(doc(t), "\n## pcapng")
	row := regexp.MustCompile("(?m)^\\|(?: `[a-z]+` \\| | \\| | )((?:`[a-z_]+`(?:, )?)+) \\| (?:number|string|flag|array|true)")
	for _, m := range row.FindAllStringSubmatch(jsonlPart, -1) {
		for name := range strings.SplitSeq(m[1], ", ") {
			documented = append(documented, strings.Trim(name, "`"))
		}
	}
	slices.Sort(fields)
	slices.Sort(documented)
	require.Equal(t, fields, slices.Compact(documented))
}

// Every body of package trace has a case in TestEvent and a place in the
// documentation. A new one fails here first.
func TestKindsAreCovered(t *testing.T) {
	tested := map[string]bool{}
	for _, tt := range lines() {
		name := reflect.TypeOf(tt.ev.Body).Elem().Name()
		tested[name] = true
		require.Contains(t, doc(t), "`"+tt.ev.Body.Kind()+"`")
	}
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "bodies.go"), nil, 0)
	require.NoError(t, err)
	found := 0
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil && f.Name.Name == "Kind" {
			name := f.Recv.List[0].Type.(*ast.StarExpr).X.(*ast.Ident).Name
			require.True(t, tested[name], "no test writes a trace.%s", name)
			found++
		}
	}
	require.Equal(t, len(tested), found)
}

// writeExample writes the run that the documentation shows.
func writeExample(t *testing.T) []byte {
	t.Helper()
	var flows trace.Flows
	packet := func(what trace.PacketWhat, num uint64, peer string, data []byte) *trace.Packet {
		s := trace.Decode(data, false)
		if what == trace.Sent {
			flows.Note(&s)
		} else {
			flows.Relate(&s)
		}
		return &trace.Packet{What: what, Num: num, Link: "client-server", Iface: "eth0", Peer: peer, Data: data, Summary: s}
	}
	syn, _ := tcp(1000, 0, 2, "")
	synAck, _ := tcp(5000, 1001, 0x12, "")
	copy(synAck[12:], []byte{10, 0, 0, 2, 10, 0, 0, 1, 0, 80, 0xc0, 0x00})

	var now time.Duration
	var b bytes.Buffer
	bus := trace.Bus{Clock: func() time.Duration { return now }}
	bus.Attach(New(&b, Config{Scenario: "handshake", Seed: 7}))
	server := trace.Origin{Host: "server"}
	bus.SetCause(bus.Emit(curl, &trace.Call{What: trace.Enter, Num: 1, Name: "connect", Args: "3, 10.0.0.2:80"}))
	bus.SetCause(bus.Emit(curl, packet(trace.Sent, 1, "server", syn)))
	now = 10 * time.Millisecond
	bus.SetCause(bus.Emit(server, packet(trace.Delivered, 1, "client", syn)))
	bus.Emit(server, packet(trace.Sent, 2, "client", synAck))
	require.NoError(t, bus.Close())
	return b.Bytes()
}

func TestExampleIsTrue(t *testing.T) {
	run := writeExample(t)
	require.Equal(t, block(t, "jsonl"), string(run))

	if _, err := exec.LookPath("jq"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("jq is not in PATH; CI must have it")
		}
		t.Skip("jq is not in PATH (install jq to run this test)")
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "run.jsonl"), run, 0o666))
	cmd := exec.Command("sh", "-c", block(t, "sh"))
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, block(t, "text"), string(out))
}
