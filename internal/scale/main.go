package main

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// rows is what is measured by default: each load at sizes a factor of ten
// apart, the smallest first.
const rows = "epoll:1000 epoll:10000 idle:1000 idle:10000 idle:100000 threads:1000 threads:10000"

func main() {
	runs := flag.Int("runs", 3, "how often each row is measured")
	one := flag.Bool("one", false, "measure one row in this process, and print it as JSON")
	profile := flag.String("cpuprofile", "", "with -one: write a CPU profile to this file")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: scale [flags] [load:connections ...]\nDefault: %s\n", rows)
		flag.PrintDefaults()
	}
	flag.Parse()
	names := flag.Args()
	if len(names) == 0 {
		names = strings.Fields(rows)
	}
	var err error
	if *one {
		err = runOne(names[0], *profile, os.Stdout)
	} else {
		err = compare(names, *runs, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

// runOne measures a row here.
func runOne(name, profile string, out io.Writer) error {
	kind, size, _ := strings.Cut(name, ":")
	n, err := strconv.Atoi(size)
	if err != nil || n < 1 || n > 100*perClient {
		return fmt.Errorf("row %q: need load:connections, 1 to %d", name, 100*perClient)
	}
	if profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	r, err := measure(kind, n)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return json.NewEncoder(out).Encode(r)
}

// compare measures each row several times, each time in a child process, and
// prints the table.
func compare(names []string, runs int, out io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	first := make(map[string]row)
	var rows []row
	for _, name := range names {
		var all []result
		for range max(1, runs) {
			r, err := child(self, name)
			if err != nil {
				return err
			}
			all = append(all, r)
		}
		r := summarize(all)
		if _, seen := first[r.Load]; !seen {
			first[r.Load] = r
		}
		rows = append(rows, r)
	}
	return printTables(out, rows, first)
}

// child measures a row in a process of its own, on one core, as the command
// runs a scenario.
func child(self, name string) (r result, err error) {
	cmd := exec.Command(self, "-one", name)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return r, fmt.Errorf("%s: %w", name, err)
	}
	err = json.Unmarshal(out, &r)
	r.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return r, err
}

// row is the median of several results, each number on its own, and the spread
// of the wall time.
type row struct {
	result
	least, most time.Duration
}

func summarize(all []result) row {
	r := row{result: all[0]}
	r.Open = median(all, func(r result) time.Duration { return r.Open })
	r.Close = median(all, func(r result) time.Duration { return r.Close })
	r.CPU = median(all, func(r result) time.Duration { return r.CPU })
	r.Heap = median(all, func(r result) uint64 { return r.Heap })
	r.Stacks = median(all, func(r result) uint64 { return r.Stacks })
	r.Peak = median(all, func(r result) uint64 { return r.Peak })
	r.Allocs = median(all, func(r result) uint64 { return r.Allocs })
	r.least, r.most = all[0].Open, all[0].Open
	for _, o := range all {
		r.least, r.most = min(r.least, o.Open), max(r.most, o.Open)
	}
	return r
}

func median[T cmp.Ordered](all []result, of func(result) T) T {
	var list []T
	for _, r := range all {
		list = append(list, of(r))
	}
	slices.Sort(list)
	return list[len(list)/2]
}

// each is a quantity per connection.
func (r row) each(total float64) float64 { return total / float64(r.N) }

// live is the memory that is in use when all are open, in bytes.
func (r row) live() float64 { return float64(r.Heap + r.Stacks) }

func (r row) micros(d time.Duration) float64 { return r.each(float64(d) / float64(time.Microsecond)) }

// printTables writes what was measured, then the same per connection and how
// that grew from the first row of its load. A connection is both of its ends.
func printTables(out io.Writer, rows []row, first map[string]row) error {
	const mib = 1 << 20
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "load\tconnections\topen s\tspread\tclose s\tcpu s\tevents/s\tpeak MiB\tlive MiB\t")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%d\t%.2f\t%.2f to %.2f\t%.2f\t%.2f\t%.0f\t%.0f\t%.0f\t\n", r.Load, r.N, r.Open.Seconds(),
			r.least.Seconds(), r.most.Seconds(), r.Close.Seconds(), r.CPU.Seconds(), float64(r.Events)/r.Open.Seconds(), float64(r.Peak)/mib, r.live()/mib)
	}
	fmt.Fprintln(w, "\nper connection\tconnections\topen µs\tclose µs\tcpu µs\tevents\tallocs\tpeak B\tlive B\tgrowth: open\tclose\tcpu\tpeak\tlive\t")
	for _, r := range rows {
		o := first[r.Load]
		fmt.Fprintf(w, "%s\t%d\t%.0f\t%.0f\t%.0f\t%.2f\t%.0f\t%.0f\t%.0f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t\n", r.Load, r.N,
			r.micros(r.Open), r.micros(r.Close), r.micros(r.CPU), r.each(float64(r.Events)), r.each(float64(r.Allocs)), r.each(float64(r.Peak)), r.each(r.live()),
			r.micros(r.Open)/o.micros(o.Open), r.micros(r.Close)/o.micros(o.Close), r.micros(r.CPU)/o.micros(o.CPU),
			r.each(float64(r.Peak))/o.each(float64(o.Peak)), r.each(r.live())/o.each(o.live()))
	}
	return w.Flush()
}
