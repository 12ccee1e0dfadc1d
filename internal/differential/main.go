//go:build linux

package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func main() {
	if !compare(len(os.Args) > 1 && os.Args[1] == "-v") {
		os.Exit(1)
	}
}

// fresh runs f in a network namespace of its own, so that no case sees what
// another left behind. The thread that entered it ends with it.
func fresh(f func() string) (result string, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlock: the thread is not used again
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			err = fmt.Errorf("no network namespace: %w (run as root)", err)
			return
		}
		if err = loopbackUp(); err == nil {
			result = f()
		}
	}()
	<-done
	return result, err
}

func loopbackUp() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(lo)
}

// compare runs every program on both sides and reports whether all differences
// are the known ones.
func compare(verbose bool) bool {
	causes := make(map[string]string)
	for _, k := range known {
		causes[k.name] = k.cause
	}
	cases := programs()
	equal, expected, unknown, gone := 0, 0, 0, 0
	for _, p := range cases {
		want, err := fresh(func() string { return runKernel(p.run) })
		if err != nil {
			fmt.Fprintln(os.Stderr, "differential:", err)
			return false
		}
		got, err := runSimulated(p.run)
		if err != nil {
			got += "\n" + err.Error()
		}
		cause, isKnown := causes[p.name]
		switch {
		case got == want && !isKnown:
			equal++
		case got == want:
			gone++
			fmt.Printf("GONE     %s: equal now; remove it from known.go\n", p.name)
		case isKnown:
			expected++
			fmt.Printf("known    %s: %s\n", p.name, cause)
			if verbose {
				fmt.Print(diff(want, got))
			}
		default:
			unknown++
			fmt.Printf("UNKNOWN  %s\n%s", p.name, diff(want, got))
		}
	}
	fmt.Printf("differential: %d cases, %d equal, %d known, %d unknown\n", len(cases), equal, expected, unknown+gone)
	return unknown+gone == 0
}

// diff shows the lines of two transcripts that differ.
func diff(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	var b strings.Builder
	for i := range max(len(w), len(g)) {
		var x, y string
		if i < len(w) {
			x = w[i]
		}
		if i < len(g) {
			y = g[i]
		}
		if x != y {
			fmt.Fprintf(&b, "    linux    %s\n    sockapi  %s\n", x, y)
		}
	}
	return b.String()
}
