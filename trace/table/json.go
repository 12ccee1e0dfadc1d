package table

import (
	"encoding/json"
	"io"
	"net/netip"

	"fivetuple/trace"
)

// A socketJSON is one socket; times are in nanoseconds, as in the trace.
type socketJSON struct {
	Netid  string       `json:"netid"`
	State  string       `json:"state"` // ss's spelling
	RecvQ  int          `json:"recv_q"`
	SendQ  int          `json:"send_q"`
	Local  string       `json:"local"`
	Peer   string       `json:"peer,omitempty"` // absent for a listener
	V6     bool         `json:"v6,omitempty"`
	V6Only bool         `json:"v6only,omitempty"`
	Users  []holderJSON `json:"users,omitempty"`
	Info   *infoJSON    `json:"info,omitempty"`
}

type holderJSON struct {
	Proc string `json:"proc"`
	PID  int    `json:"pid"`
	FD   int    `json:"fd"`
}

type infoJSON struct {
	RTO      int64  `json:"rto_ns,omitempty"`
	SRTT     int64  `json:"srtt_ns,omitempty"`
	RTTVar   int64  `json:"rttvar_ns,omitempty"`
	Cwnd     uint32 `json:"cwnd"`
	Ssthresh uint32 `json:"ssthresh"`
	CAState  string `json:"ca_state,omitempty"`
}

type fdJSON struct {
	Host     string `json:"host"`
	Proc     string `json:"proc"`
	PID      int    `json:"pid"`
	FD       int    `json:"fd"`
	Refs     int    `json:"refs"` // descriptors that share the open file
	NonBlock bool   `json:"nonblock,omitempty"`
	CloExec  bool   `json:"cloexec,omitempty"`
	Kind     string `json:"kind,omitempty"` // of what is no socket: "epoll"
	Note     string `json:"note,omitempty"`
	// Options are those that were set, "SO_REUSEADDR=1".
	Options []string `json:"options,omitempty"`
	socketJSON
}

// SSJSON writes sockets as a JSON array, one object a socket.
func SSJSON(w io.Writer, socks []trace.Socket) error {
	out := make([]socketJSON, len(socks))
	for i := range socks {
		out[i] = socketOf(&socks[i])
	}
	return encode(w, out)
}

// FDsJSON writes descriptors as a JSON array, one object a descriptor.
func FDsJSON(w io.Writer, procs []ProcessFDs) error {
	out := []fdJSON{}
	for _, p := range procs {
		for i := range p.FDs {
			f := &p.FDs[i]
			j := fdJSON{Host: p.Host, Proc: p.Name, PID: p.PID, FD: f.Num, Refs: f.Refs,
				NonBlock: f.NonBlock, CloExec: f.CloExec, Options: f.Options, socketJSON: socketOf(&f.Socket)}
			if f.Kind != "socket" {
				j.Kind, j.Note = f.Kind, f.Note
			}
			out = append(out, j)
		}
	}
	return encode(w, out)
}

func socketOf(k *trace.Socket) socketJSON {
	j := socketJSON{Netid: netid(k), State: k.State.SS(), RecvQ: k.RecvQ, SendQ: k.SendQ,
		Local: address(k.Local), Peer: address(k.Remote), V6: k.V6, V6Only: k.V6Only}
	for _, h := range k.Holders {
		j.Users = append(j.Users, holderJSON{h.Proc, h.PID, h.FD})
	}
	if t := &k.Info; t.Cwnd > 0 {
		j.Info = &infoJSON{int64(t.RTO), int64(t.SRTT), int64(t.RTTVar), t.Cwnd, t.Ssthresh, t.CAState}
	}
	return j
}

func address(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
