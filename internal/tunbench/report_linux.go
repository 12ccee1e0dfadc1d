package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// column is a measurement in a table.
type column struct{ name, title, format string }

// tables are the measurements in the order in which they are printed.
var tables = []struct {
	title   string
	gateway bool
	columns []column
}{
	{"Bulk transfer, Gbit/s, and the server's CPU seconds per GiB", false, []column{
		{"in", "in", "%.3g"}, {"in-cpu", "CPU s/GiB", "%.3g"}, {"out", "out", "%.3g"}, {"out-cpu", "CPU s/GiB", "%.3g"},
		{"in4", "in, 4 streams", "%.3g"}, {"out4", "out, 4 streams", "%.3g"}, {"in6", "in, IPv6", "%.3g"}, {"out6", "out, IPv6", "%.3g"},
	}},
	{"Round trips and connections, and the server's CPU time for each", false, []column{
		{"rtt", "RTT, µs", "%.1f"}, {"rtt-p99", "99 %, µs", "%.0f"},
		{"conn1", "connections/s", "%.0f"}, {"conn1-cpu", "CPU µs", "%.0f"}, {"conn8", "with 8 clients", "%.0f"}, {"conn8-cpu", "CPU µs", "%.0f"},
		{"http", "HTTP/s", "%.0f"}, {"http-cpu", "CPU µs", "%.1f"},
	}},
	{"Idle connections", false, []column{
		{"idle", "connections", "%.0f"}, {"idle-bytes", "bytes each", "%.0f"}, {"idle-rate", "opened a second", "%.0f"},
	}},
	{"Gateways: bulk transfer in Gbit/s, CPU in seconds per GiB and µs per connection", true, []column{
		{"in", "in", "%.3g"}, {"in-cpu", "CPU s/GiB", "%.3g"}, {"out", "out", "%.3g"}, {"out-cpu", "CPU s/GiB", "%.3g"},
		{"rtt", "RTT, µs", "%.1f"}, {"rtt-p99", "99 %, µs", "%.0f"},
		{"conn1", "connections/s", "%.0f"}, {"conn1-cpu", "CPU µs", "%.0f"}, {"conn8", "with 8 clients", "%.0f"}, {"conn8-cpu", "CPU µs", "%.0f"},
	}},
}

// median is the middle of some values, 0 without any.
func median(vs []float64) float64 {
	s := slices.Sorted(slices.Values(vs))
	if len(s) == 0 {
		return 0
	}
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// report prints medians with their range, what failed, and ratios.
func report(w io.Writer, o *options, servers []*server) {
	for _, t := range tables {
		rows := slices.DeleteFunc(slices.Clone(servers), func(s *server) bool { return s.kind.gateway != t.gateway })
		columns := slices.DeleteFunc(slices.Clone(t.columns), func(c column) bool {
			return !slices.ContainsFunc(rows, func(s *server) bool { return len(s.results[c.name]) > 0 })
		})
		if len(rows) > 0 && len(columns) > 0 {
			writeTable(w, o.markdown, t.title, cells(rows, columns))
		}
	}
	for _, s := range servers {
		for _, f := range s.failures {
			fmt.Fprintf(w, "not measured: %s: %v\n", strings.TrimSpace(s.name+" "+f.measurement), f.err)
		}
	}
	for _, r := range ratios(servers) {
		fmt.Fprintln(w, r)
	}
}

// cells is a table's text, its head first.
func cells(rows []*server, columns []column) [][]string {
	head := []string{""}
	for _, c := range columns {
		head = append(head, c.title)
	}
	out := [][]string{head}
	for _, s := range rows {
		row := []string{s.name}
		for _, c := range columns {
			row = append(row, c.cell(s.results[c.name]))
		}
		out = append(out, row)
	}
	return out
}

// cell is a median with its range.
func (c column) cell(vs []float64) string {
	switch len(vs) {
	case 0:
		return "-"
	case 1:
		return fmt.Sprintf(c.format, vs[0])
	}
	return fmt.Sprintf(c.format+" ("+c.format+" to "+c.format+")", median(vs), slices.Min(vs), slices.Max(vs))
}

func writeTable(w io.Writer, markdown bool, title string, rows [][]string) {
	fmt.Fprintf(w, "%s:\n", title)
	if markdown {
		fmt.Fprintln(w)
		for i, row := range rows {
			fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
			if i == 0 {
				fmt.Fprintf(w, "|%s\n", strings.Repeat("---|", len(row)))
			}
		}
	} else {
		tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, row := range rows {
			fmt.Fprintln(tw, strings.Join(row, "\t"))
		}
		_ = tw.Flush()
	}
	fmt.Fprintln(w)
}

// compared are the measurements of the ratios, with their names there.
var compared = []struct{ name, title string }{
	{"in", "bulk-in"}, {"out", "bulk-out"}, {"rtt", "rtt"}, {"conn1", "conn1"}, {"conn8", "conn8"},
}

// ratios are ours divided by another's, of medians: `ratio bulk-in-veth 0.70`
// for the kernel, `ratio water-bulk-in 16.20` for peers. Ours is offload, and
// gateway for gateways. More is better, but for rtt.
func ratios(servers []*server) []string {
	byName := make(map[string]*server)
	for _, s := range servers {
		byName[s.name] = s
	}
	var out []string
	line := func(title, measurement string, ours, other *server) {
		if ours == nil || other == nil {
			return
		}
		if a, b := median(ours.results[measurement]), median(other.results[measurement]); a > 0 && b > 0 {
			out = append(out, fmt.Sprintf("ratio %s %.2f", title, a/b))
		}
	}
	for _, c := range append(slices.Clone(compared), struct{ name, title string }{"http", "http"}) {
		line(c.title+"-veth", c.name, byName["offload"], byName["veth"])
	}
	for _, s := range servers {
		if s.name == "veth" || s.name == "offload" || s.name == "no-awake" || s.name == "no-poll" || s.name == "raw" || s.kind.name == "gateway" {
			continue
		}
		ours := byName["offload"]
		if s.kind.gateway {
			ours = byName["gateway"]
		}
		for _, c := range compared {
			line(s.name+"-"+c.title, c.name, ours, s)
		}
	}
	return out
}
