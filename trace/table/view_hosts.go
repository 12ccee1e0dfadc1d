package table

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"fivetuple/trace"
)

// HostSockets are sockets of one host.
type HostSockets struct {
	Host    string
	Sockets []trace.Socket
}

// HostPorts is the port table of one host.
type HostPorts struct {
	Host  string
	Ports []trace.Port
}

// Ports prints port tables: who uses which port, and how it is shared.
func Ports(w io.Writer, hosts []HostPorts) error {
	c := columns{gap: 2}
	c.add("Host", "Proto", "Local IP", "Port", "Use", "Sockets", "Flags", "Owners")
	for _, h := range hosts {
		for i := range h.Ports {
			p := &h.Ports[i]
			c.add(h.Host, p.Proto, localIP(p), strconv.Itoa(int(p.Local.Port())), string(p.Use), strconv.Itoa(p.Sockets),
				strings.Join(portFlags(p), ", "), owners(p.Owners))
		}
	}
	return c.writeTo(w)
}

func localIP(p *trace.Port) string {
	if p.Wildcard() && p.V6 && !p.V6Only {
		return "*"
	}
	return p.Local.Addr().String()
}

func portFlags(p *trace.Port) []string {
	var out []string
	if p.Wildcard() {
		out = append(out, "wildcard")
		if p.V6 && p.V6Only {
			out = append(out, "v6only")
		} else if p.V6 {
			out = append(out, "dual-stack")
		}
	}
	for _, f := range []struct {
		name string
		n    int
	}{{"reuseaddr", p.ReuseAddr}, {"reuseport", p.ReusePort}} {
		switch {
		case f.n > 0 && p.Sockets > 1:
			out = append(out, fmt.Sprintf("%s %d of %d", f.name, f.n, p.Sockets))
		case f.n > 0:
			out = append(out, f.name)
		}
	}
	return out
}

// owners names descriptors: "httpd[1] fd 3, 4".
func owners(list []trace.Origin) string {
	if len(list) == 0 {
		return "none"
	}
	var out strings.Builder
	for i, o := range list {
		switch {
		case i > 0 && o.Proc == list[i-1].Proc && o.PID == list[i-1].PID:
			fmt.Fprintf(&out, ", %d", o.FD)
			continue
		case i > 0:
			out.WriteString("; ")
		}
		fmt.Fprintf(&out, "%s[%d] fd %d", o.Proc, o.PID, o.FD)
	}
	return out.String()
}

// Descriptors prints descriptor tables with headings: FDs with queues and the
// options that were set.
func Descriptors(w io.Writer, procs []ProcessFDs) error {
	c := columns{gap: 2}
	c.add("Host", "Process", "FD", "Proto", "Local", "Peer", "State", "Recv-Q", "Send-Q", "Flags and options")
	for i := range procs {
		p := &procs[i]
		for n := range p.FDs {
			f := &p.FDs[n]
			row := []string{p.Host, fmt.Sprintf("%s[%d]", p.Name, p.PID), strconv.Itoa(f.Num)}
			notes := strings.Fields(flags(f))
			if f.Refs > 1 {
				notes = append([]string{fmt.Sprintf("shared by %d", f.Refs)}, notes[3:]...)
			}
			notes = append(notes, f.Options...)
			if f.Kind != "" && f.Kind != "socket" {
				row = append(row, f.Kind, f.Note, "", "", "", "")
			} else {
				row = append(row, f.Proto, local(f), remote(f), state(f), strconv.Itoa(f.RecvQ), strconv.Itoa(f.SendQ))
			}
			c.add(append(row, strings.Join(notes, " "))...)
		}
	}
	return c.writeTo(w)
}

type hostSocketJSON struct {
	Host string `json:"host"`
	detailJSON
}

// detailJSON is a socket with what ss shows on demand.
type detailJSON struct {
	socketJSON
	Timer      *timerJSON `json:"timer,omitempty"`
	Mem        *memJSON   `json:"skmem,omitempty"`
	Congestion string     `json:"congestion,omitempty"`
}

type timerJSON struct {
	Kind    string `json:"kind"`
	Left    int64  `json:"left_ns"`
	Retrans int    `json:"retrans"`
}

type memJSON struct {
	RcvAlloc int `json:"r"`
	RcvBuf   int `json:"rb"`
	SndBuf   int `json:"tb"`
	Queued   int `json:"w"`
}

// HostsJSON writes the sockets of several hosts as one JSON array.
func HostsJSON(w io.Writer, hosts []HostSockets) error {
	out := []hostSocketJSON{}
	for _, h := range hosts {
		for i := range h.Sockets {
			out = append(out, hostSocketJSON{h.Host, *detailOf(&h.Sockets[i])})
		}
	}
	return encode(w, out)
}

// detailOf is nil for no socket.
func detailOf(k *trace.Socket) *detailJSON {
	if k == nil {
		return nil
	}
	j := &detailJSON{socketJSON: socketOf(k), Congestion: k.Congestion}
	if t := k.Timer; t.Kind != "" {
		j.Timer = &timerJSON{t.Kind, int64(t.Left), t.Retrans}
	}
	if m := k.Mem; m != (trace.SocketMem{}) {
		j.Mem = &memJSON{m.RcvAlloc, m.RcvBuf, m.SndBuf, m.Queued}
	}
	return j
}

type portJSON struct {
	Host      string       `json:"host"`
	Proto     string       `json:"proto"`
	Local     string       `json:"local"`
	Use       string       `json:"use"`
	Sockets   int          `json:"sockets"`
	Wildcard  bool         `json:"wildcard,omitempty"`
	V6        bool         `json:"v6,omitempty"`
	V6Only    bool         `json:"v6only,omitempty"`
	ReuseAddr int          `json:"reuseaddr,omitempty"` // sockets with the option
	ReusePort int          `json:"reuseport,omitempty"`
	Owners    []holderJSON `json:"owners"`
}

// PortsJSON writes port tables as one JSON array.
func PortsJSON(w io.Writer, hosts []HostPorts) error {
	out := []portJSON{}
	for _, h := range hosts {
		for i := range h.Ports {
			p := &h.Ports[i]
			j := portJSON{Host: h.Host, Proto: p.Proto, Local: address(p.Local), Use: string(p.Use), Sockets: p.Sockets,
				Wildcard: p.Wildcard(), V6: p.V6, V6Only: p.V6Only, ReuseAddr: p.ReuseAddr, ReusePort: p.ReusePort, Owners: []holderJSON{}}
			for _, o := range p.Owners {
				j.Owners = append(j.Owners, holderJSON{o.Proc, o.PID, o.FD})
			}
			out = append(out, j)
		}
	}
	return encode(w, out)
}
