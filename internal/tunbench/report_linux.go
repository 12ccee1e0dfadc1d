package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// columns are the measurements in the order of the table.
var columns = []struct{ name, title, format string }{
	{"in", "in Gbit/s", "%.1f"},
	{"in-cpu", "CPU s/GiB", "%.3f"},
	{"out", "out Gbit/s", "%.1f"},
	{"out-cpu", "CPU s/GiB", "%.3f"},
	{"rtt", "RTT µs", "%.1f"},
	{"conn1", "conn/s", "%.0f"},
	{"conn8", "conn/s, 8 clients", "%.0f"},
	{"http", "HTTP/s", "%.0f"},
}

func median(vs []float64) float64 {
	s := slices.Sorted(slices.Values(vs))
	if len(s) == 0 {
		return 0
	}
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// report prints medians with their range, and ratios.
func report(w io.Writer, servers []*server) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range columns {
		fmt.Fprintf(tw, "\t%s", c.title)
	}
	fmt.Fprintln(tw)
	byName := make(map[string]*server)
	for _, s := range servers {
		byName[s.name] = s
		fmt.Fprint(tw, s.name)
		for _, c := range columns {
			vs := s.results[c.name]
			if len(vs) == 0 {
				fmt.Fprint(tw, "\t-")
				continue
			}
			fmt.Fprintf(tw, "\t"+c.format+" ("+c.format+" to "+c.format+")", median(vs), slices.Min(vs), slices.Max(vs))
		}
		fmt.Fprintln(tw)
	}
	_ = tw.Flush()
	fast := byName["offload"]
	for _, base := range []string{"veth", "water"} {
		if fast == nil || byName[base] == nil {
			continue
		}
		for _, name := range []string{"in", "out", "rtt", "conn1", "conn8", "http"} {
			title := name
			if name == "in" || name == "out" {
				title = "bulk-" + name
			}
			if b := median(byName[base].results[name]); b > 0 {
				fmt.Fprintf(w, "ratio %s-%s %.2f\n", title, base, median(fast.results[name])/b)
			}
		}
	}
}
