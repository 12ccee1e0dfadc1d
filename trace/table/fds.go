package table

import (
	"fmt"
	"io"
	"net/netip"
	"strings"

	"fivetuple/trace"
)

// ProcessFDs is the descriptor table of one process.
type ProcessFDs struct {
	Host string
	Name string
	PID  int
	FDs  []trace.FD
}

// FDsOptions says how FDs prints.
type FDsOptions struct {
	// ASCII writes -> for the arrow.
	ASCII bool
	// PIDs shows the number of each process: "httpd[2]". A name that several
	// processes of a host share is shown so in any case.
	PIDs bool
}

// FDs prints the descriptors of processes: number, five-tuple, state, and how
// a descriptor is shared. A process without descriptors takes no line.
func FDs(w io.Writer, procs []ProcessFDs, opt FDsOptions) error {
	arrow := " → "
	if opt.ASCII {
		arrow = " -> "
	}
	c := columns{gap: 2}
	host := ""
	for i := range procs {
		p := &procs[i]
		name := p.Name
		if opt.PIDs || shared(procs, p) {
			name = fmt.Sprintf("%s[%d]", p.Name, p.PID)
		}
		for n := range p.FDs {
			f := &p.FDs[n]
			head := []string{p.Host, name}
			if n > 0 {
				head[1] = ""
			}
			if p.Host == host {
				head[0] = ""
			}
			host = p.Host
			if f.Kind != "" && f.Kind != "socket" {
				c.add(append(head, fmt.Sprintf("fd %d", f.Num), f.Kind+" "+f.Note, "", "", flags(f))...)
				continue
			}
			c.add(append(head, fmt.Sprintf("fd %d", f.Num), f.Proto+" "+local(f), arrow[1:]+remote(f), state(f), flags(f))...)
		}
	}
	return glued(&c).writeTo(w)
}

// glued joins both ends of a five-tuple with a single blank.
func glued(c *columns) *columns {
	widths := c.widths()
	out := &columns{gap: c.gap}
	for _, row := range c.rows {
		out.add(row[0], row[1], row[2], fmt.Sprintf("%-*s %s", widths[3], row[3], row[4]), row[5], row[6])
	}
	return out
}

// shared reports whether another process of the host has the same name.
func shared(procs []ProcessFDs, p *ProcessFDs) bool {
	for i := range procs {
		if q := &procs[i]; q.Host == p.Host && q.Name == p.Name && q.PID != p.PID {
			return true
		}
	}
	return false
}

func local(f *trace.FD) string {
	if f.Local.Port() == 0 {
		return "*"
	}
	return endpoint(f.Local)
}

func remote(f *trace.FD) string {
	if !f.Remote.IsValid() {
		return "*"
	}
	return endpoint(f.Remote)
}

func endpoint(a netip.AddrPort) string {
	if a.Addr().IsUnspecified() {
		return fmt.Sprintf("*:%d", a.Port())
	}
	return a.String()
}

// state is the state of a TCP socket; a UDP socket has none.
func state(f *trace.FD) string {
	if f.Proto != "tcp" {
		return ""
	}
	if f.State == trace.Established {
		return "ESTAB"
	}
	return string(f.State)
}

func flags(f *trace.FD) string {
	var parts []string
	if f.Refs > 1 {
		parts = append(parts, fmt.Sprintf("shared by %d", f.Refs))
	}
	if f.NonBlock {
		parts = append(parts, "O_NONBLOCK")
	}
	if f.CloExec {
		parts = append(parts, "FD_CLOEXEC")
	}
	return strings.Join(parts, "  ")
}
