package jsonl

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"fivetuple/trace"
)

// Record is one line: the header or an event. A field that is absent from the
// line is zero here; where a zero means something, the field is a pointer and
// nil when absent. docs/trace-format.md says what each means and its unit.
type Record struct {
	V    int    `json:"v"`
	Kind string `json:"kind"` // "header", or what the event is

	// The header.
	Tool     string `json:"tool"`
	Scenario string `json:"scenario"`
	Seed     uint64 `json:"seed"`
	Epoch    string `json:"epoch"` // RFC 3339

	// Every event.
	ID     trace.ID `json:"id"`
	Cause  trace.ID `json:"cause"`
	T      int64    `json:"t"` // nanoseconds since the start of the run
	Host   string   `json:"host"`
	Proc   string   `json:"proc"`
	PID    int      `json:"pid"`
	Thread *int     `json:"thread"`
	FD     *int     `json:"fd"`

	// Shared by several kinds.
	What   string `json:"what"`
	Num    uint64 `json:"num"`
	Name   string `json:"name"`
	Error  string `json:"error"`
	Signal string `json:"signal"`
	Text   string `json:"text"`
	Link   string `json:"link"`
	Proto  string `json:"proto"`

	// "packet".
	Iface      string      `json:"iface"`
	Peer       string      `json:"peer"`
	Ethernet   bool        `json:"ethernet"`
	Bytes      int         `json:"bytes"`
	Reason     string      `json:"reason"`
	Note       string      `json:"note"`
	Copy       *int        `json:"copy"`
	Forwarded  bool        `json:"forwarded"`
	Retransmit bool        `json:"retransmit"`
	Src        string      `json:"src"`
	Dst        string      `json:"dst"`
	Flags      string      `json:"flags"`
	Seq        *uint32     `json:"seq"`
	Len        *int        `json:"len"`
	Ack        *uint32     `json:"ack"`
	Win        *uint32     `json:"win"`
	Rel        bool        `json:"rel"`
	RawSeq     *uint32     `json:"raw_seq"`
	RawAck     *uint32     `json:"raw_ack"`
	Opts       string      `json:"opts"`
	SACK       [][2]uint32 `json:"sack"`
	Data       string      `json:"data"` // hexadecimal

	// "call".
	Args     string `json:"args"`
	Result   string `json:"result"`
	Errno    string `json:"errno"`
	PeerAddr string `json:"peer_addr"`
	Blocked  bool   `json:"blocked"`
	WaitedNS *int64 `json:"waited_ns"`

	// "state" and "tcpinfo".
	Local    string  `json:"local"`
	Remote   string  `json:"remote"`
	From     string  `json:"from"`
	To       string  `json:"to"`
	Cwnd     *uint32 `json:"cwnd"`
	Ssthresh *uint32 `json:"ssthresh"`
	SRTTNS   *int64  `json:"srtt_ns"`
	RTTVarNS *int64  `json:"rttvar_ns"`
	RTONS    *int64  `json:"rto_ns"`
	CAState  string  `json:"ca_state"`
	InFlight *int    `json:"in_flight"`
	Sacked   *int    `json:"sacked"`
	MSS      int     `json:"mss"`
	SndWnd   *uint32 `json:"snd_wnd"`
	RcvWnd   *uint32 `json:"rcv_wnd"`
	Retrans  uint32  `json:"retrans"`

	// "timer", "process", "expect" and "link".
	ArmedNS   *int64 `json:"armed_ns"`
	Parent    string `json:"parent"`
	OK        *bool  `json:"ok"`
	Claim     string `json:"claim"`
	Got       string `json:"got"`
	Where     string `json:"where"`
	Direction string `json:"direction"`
	Now       string `json:"now"`
}

// Read returns the records of a file in order, the header first. The first
// error ends it and says which line is to blame: one that is torn
// ([io.ErrUnexpectedEOF]), is not JSON, or is of a newer schema than this
// package's. Fields that Record does not have are ignored, as the versioning
// rule asks.
func Read(r io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		in := bufio.NewReader(r)
		for n := 1; ; n++ {
			text, err := in.ReadBytes('\n')
			if errors.Is(err, io.EOF) && len(text) == 0 {
				return
			}
			rec, err := decode(text, err)
			if err != nil {
				yield(Record{}, fmt.Errorf("line %d: %w", n, err))
				return
			}
			if !yield(rec, nil) {
				return
			}
		}
	}
}

// decode reads one line, given how reading it ended.
func decode(text []byte, err error) (rec Record, _ error) {
	if errors.Is(err, io.EOF) {
		return rec, io.ErrUnexpectedEOF // no newline: the writer was cut short
	}
	if err != nil {
		return rec, err
	}
	// The version decides what the rest means, so it is read on its own.
	var v struct{ V *int }
	if err := json.Unmarshal(text, &v); err != nil {
		return rec, err
	}
	if v.V == nil {
		return rec, errors.New("no schema version: this is not an event")
	}
	if *v.V != trace.Version {
		return rec, fmt.Errorf("schema version %d, but this reader knows %d only", *v.V, trace.Version)
	}
	err = json.Unmarshal(text, &rec)
	return rec, err
}
