package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestCompare(t *testing.T) {
	for _, tc := range []struct{ name, a, b, want string }{
		{"equal", "one\ntwo\n", "one\ntwo\n", ""},
		{"a line", "one\ntwo\nthree\n", "one\ntoo\nthree\n", "differ in line 2\n    two\n    too"},
		{"a line more", "one\n", "one\ntwo\n", "differ in line 2\n    (the end)\n    two"},
		{"empty", "", "one\n", "differ in line 1\n    (the end)\n    one"},
		{"binary", "\xff\x00\x01", "\xff\x00\x02", "differ at offset 2 (of 3 and 3 bytes)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := compare([]byte(tc.a), []byte(tc.b)); got != tc.want {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
}

// fake writes a shell script that stands for the binary: $2 is the scenario,
// and the three output files are given as fivetuple gets them.
func fake(t *testing.T, list, run string) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs a POSIX shell")
	}
	bin := filepath.Join(t.TempDir(), "fake")
	script := "#!/bin/sh\nif [ $1 = list ]; then\n" + list + "\nexit\nfi\n" + run + "\n"
	if err := os.WriteFile(bin, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return bin
}

func TestCheck(t *testing.T) {
	const list = "echo 'one  the first'; echo 'two  the second'"
	const same = "for f in trace.pcapng trace.jsonl ladder.txt; do echo $2 > $f; done"
	for _, tc := range []struct{ name, list, run, want string }{
		{"equal", list, same, ""},
		{"differ", list, same + "; echo $GOMAXPROCS >> trace.jsonl", "the same seed must give"},
		{"a file is missing", list, "echo x > ladder.txt", "the same seed must give"},
		{"a run fails", list, same + "; test $2 != two", "the same seed must give"},
		{"a run hangs", list, "exec sleep 60", "the same seed must give"},
		{"no scenario", ":", same, "list shows no scenario"},
		{"list fails", "exit 3", same, "list: exit status 3"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := checker{bin: fake(t, tc.list, tc.run), seed: "7", timeout: 5 * time.Second}
			if tc.name == "a run hangs" {
				c.timeout = 100 * time.Millisecond
			}
			got := ""
			if err := c.check(nil); err != nil {
				got = err.Error()
			}
			if tc.want == "" && got != "" || !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
