package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"fivetuple/sockapi"
)

// This file is an iperf3 server, for the client that people have: TCP and UDP, in
// both directions and with parallel streams. The protocol is that of iperf3 3.x
// (github.com/esnet/iperf, iperf_api.h has the states): a control connection
// and the streams all begin with a cookie; on the control connection go one-byte
// states, and JSON with a length of four bytes before it.

// The states of a test.
const (
	iperfTestStart       = 1
	iperfTestRunning     = 2
	iperfTestEnd         = 4
	iperfParamExchange   = 9
	iperfCreateStreams   = 10
	iperfExchangeResults = 13
	iperfDisplayResults  = 14
	iperfDone            = 16
	iperfAccessDenied    = 0xff // -1: another test runs
	iperfServerError     = 0xfe // -2, with two error numbers
)

const (
	iperfCookie = 37      // bytes, with the NUL at its end
	iperfJSON   = 1 << 20 // the longest JSON that is taken
	iperfIEUnim = 13      // i_errno: "unimplemented" (IEUNIMP)

	iperfDatagram = 65507 // the longest over IPv4
)

// iperfParams is what the client asks for.
type iperfParams struct {
	TCP           bool   `json:"tcp"`
	UDP           bool   `json:"udp"`
	Bandwidth     uint64 `json:"bandwidth"` // bit/s; 0: no limit
	Counters64    int    `json:"udp_counters_64bit"`
	Parallel      int    `json:"parallel"`
	Reverse       bool   `json:"reverse"`
	Bidirectional bool   `json:"bidirectional"`
	Len           int    `json:"len"`
	Congestion    string `json:"congestion"`
}

// iperfStream is one data connection.
type iperfStream struct {
	fd    int
	send  bool // the server sends
	bytes uint64
	udp   *iperfUDP // nil: it is a TCP connection
}

// iperfServer serves one test at a time, as iperf3 -s does.
type iperfServer struct {
	test *iperfTest
	udp  []netip.AddrPort // at which it has a socket
}

// iperfTest is a test in progress.
type iperfTest struct {
	cookie  string
	control int
	params  iperfParams
	streams []*iperfStream
	started time.Duration
	ended   time.Duration
	over    bool
}

func newIperf() func(session, int) error { return new(iperfServer).serve }

// serve serves a connection: a test's control connection, or one of its streams.
func (v *iperfServer) serve(s session, fd int) error {
	cookie, err := receiveAll(s, fd, iperfCookie)
	if err != nil {
		return err
	}
	if v.test != nil && v.test.cookie == string(cookie) {
		return v.test.join(s, fd)
	}
	if v.test != nil {
		return sendAll(s, fd, []byte{iperfAccessDenied})
	}
	t := &iperfTest{cookie: string(cookie), control: fd}
	v.test = t
	defer func() { v.test = nil }()
	return t.run(s, v)
}

// run is the control connection.
func (t *iperfTest) run(s session, v *iperfServer) error {
	defer t.hangUp(s)
	if err := t.prepare(s); err != nil {
		return err
	}
	if err := t.say(s, iperfParamExchange); err != nil {
		return err
	}
	if err := t.hear(s, &t.params); err != nil {
		return err
	}
	if !t.params.TCP && !t.params.UDP {
		errs := binary.BigEndian.AppendUint32(nil, iperfIEUnim)
		return sendAll(s, t.control, append([]byte{iperfServerError}, binary.BigEndian.AppendUint32(errs, 0)...))
	}
	t.params.Parallel = max(t.params.Parallel, 1)
	switch {
	case t.params.UDP && (t.params.Len < 1 || t.params.Len > iperfDatagram):
		t.params.Len = iperfDatagram
	case t.params.Len < 1 || t.params.Len > serviceBuffer:
		t.params.Len = serviceBuffer // netstack likes large writes
	}
	if t.params.UDP {
		if err := v.openUDP(s, t.control); err != nil {
			return err
		}
	}
	if err := t.say(s, iperfCreateStreams); err != nil {
		return err
	}
	for {
		state, err := receiveAll(s, t.control, 1)
		if err != nil {
			return err
		}
		switch state[0] {
		case iperfTestEnd:
			if err := t.results(s); err != nil {
				return err
			}
		case iperfDone:
			return nil
		default:
			return fmt.Errorf("iperf3: state %d is none that a client sends then", state[0])
		}
	}
}

// prepare sets the options of the control connection.
func (t *iperfTest) prepare(s session) error {
	return errors.Join(
		// A state must not wait for the acknowledgment of the one before: the data would overtake it.
		s.Setsockopt(t.control, sockapi.IPPROTO_TCP, sockapi.TCP_NODELAY, 1),
		// A client that is gone without a word must not keep the server from others: it is noticed after a minute.
		s.Setsockopt(t.control, sockapi.SOL_SOCKET, sockapi.SO_KEEPALIVE, 1),
		s.Setsockopt(t.control, sockapi.IPPROTO_TCP, sockapi.TCP_KEEPIDLE, 30),
		s.Setsockopt(t.control, sockapi.IPPROTO_TCP, sockapi.TCP_KEEPINTVL, 10),
		s.Setsockopt(t.control, sockapi.IPPROTO_TCP, sockapi.TCP_KEEPCNT, 3))
}

// wanted is how many streams the test has.
func (t *iperfTest) wanted() int {
	if t.params.Bidirectional {
		return 2 * t.params.Parallel
	}
	return t.params.Parallel
}

// add adds a stream, and says who sends on it.
func (t *iperfTest) add(st *iperfStream) {
	st.send = t.params.Reverse
	if t.params.Bidirectional {
		st.send = len(t.streams) >= t.params.Parallel // the client's own come first
	}
	t.streams = append(t.streams, st)
}

// startIfAll starts the test when the last stream is there.
func (t *iperfTest) startIfAll(s session) error {
	if len(t.streams) < t.wanted() {
		return nil
	}
	t.started = s.Now()
	if err := sendAll(s, t.control, []byte{iperfTestStart, iperfTestRunning}); err != nil {
		return err
	}
	for _, o := range t.streams {
		if !o.send {
			continue
		}
		send := t.pour
		if o.udp != nil {
			send = t.spray
		}
		s.Go(func(p *sockapi.Proc) error { send(session{p, s.epoch}, o); return nil })
	}
	return nil
}

// join adds a TCP connection; with the last one the test starts.
func (t *iperfTest) join(s session, fd int) error {
	if len(t.streams) >= t.wanted() || t.params.UDP {
		return nil
	}
	st := &iperfStream{fd: fd}
	t.add(st)
	if err := t.startIfAll(s); err != nil {
		return err
	}
	buf := make([]byte, serviceBuffer)
	for { // a stream that the server sends on ends like this too
		got, err := s.RecvInto(fd, buf, 0)
		if err != nil || got == 0 {
			return err
		}
		if !t.over {
			st.bytes += uint64(got)
		}
	}
}

// pour sends until the test is over.
func (t *iperfTest) pour(s session, st *iperfStream) {
	data := make([]byte, t.params.Len)
	for !t.over {
		n, err := s.Send(st.fd, data, sockapi.MSG_NOSIGNAL)
		if err != nil {
			return
		}
		st.bytes += uint64(n)
	}
}

// iperfResults is what each end tells the other.
type iperfResults struct {
	CPUTotal   float64           `json:"cpu_util_total"`
	CPUUser    float64           `json:"cpu_util_user"`
	CPUSystem  float64           `json:"cpu_util_system"`
	Retransmit int               `json:"sender_has_retransmits"`
	Congestion string            `json:"congestion_used"`
	Streams    []iperfStreamInfo `json:"streams"`
}

type iperfStreamInfo struct {
	ID          int     `json:"id"`
	Bytes       uint64  `json:"bytes"`
	Retransmits int64   `json:"retransmits"`
	Jitter      float64 `json:"jitter"`
	Errors      int64   `json:"errors"`
	Packets     uint64  `json:"packets"`
	Start       float64 `json:"start_time"`
	End         float64 `json:"end_time"`
}

// results ends the test and exchanges what was counted. The streams end first, as iperf3's server closes them: a
// client that receives goes on reading whole blocks until they do, and hears nothing meanwhile.
func (t *iperfTest) results(s session) error {
	t.over, t.ended = true, s.Now()
	text, err := json.Marshal(t.counted(s))
	if err != nil {
		return err
	}
	t.hangUp(s)
	if err := t.say(s, iperfExchangeResults); err != nil {
		return err
	}
	var theirs json.RawMessage
	if err := t.hear(s, &theirs); err != nil {
		return err
	}
	if err := sendAll(s, t.control, append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)); err != nil {
		return err
	}
	return t.say(s, iperfDisplayResults)
}

// counted is what this end has counted.
func (t *iperfTest) counted(s session) iperfResults {
	mine := iperfResults{Retransmit: -1, Streams: []iperfStreamInfo{}}
	for n, st := range t.streams {
		id := n + 1
		if n > 0 {
			id++ // iperf3 numbers its streams 1, 3, 4, 5 ...
		}
		info := iperfStreamInfo{ID: id, Bytes: st.bytes, Retransmits: -1, End: (t.ended - t.started).Seconds()}
		if u := st.udp; u != nil {
			info.Jitter, info.Errors, info.Packets = u.jitter, u.lost, u.packets
			mine.Streams = append(mine.Streams, info)
			continue
		}
		if v, err := s.Getsockopt(st.fd, sockapi.IPPROTO_TCP, sockapi.TCP_INFO); err == nil && st.send {
			mine.Retransmit, info.Retransmits = 1, int64(v.(sockapi.TCPInfo).TotalRetrans)
		}
		if v, err := s.Getsockopt(st.fd, sockapi.IPPROTO_TCP, sockapi.TCP_CONGESTION); err == nil {
			mine.Congestion, _ = v.(string)
		}
		mine.Streams = append(mine.Streams, info)
	}
	return mine
}

// hangUp ends the streams; their threads close them.
func (t *iperfTest) hangUp(s session) {
	t.over = true
	for _, st := range t.streams {
		if st.udp != nil {
			continue // their socket is closed by who reads it
		}
		_ = s.Shutdown(st.fd, sockapi.SHUT_RDWR) // the client may have closed it
	}
}

func (t *iperfTest) say(s session, state byte) error { return sendAll(s, t.control, []byte{state}) }

// hear receives JSON.
func (t *iperfTest) hear(s session, into any) error {
	head, err := receiveAll(s, t.control, 4)
	if err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head)
	if n > iperfJSON {
		return fmt.Errorf("iperf3: JSON of %d bytes", n)
	}
	text, err := receiveAll(s, t.control, int(n))
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func receiveAll(s session, fd, n int) ([]byte, error) {
	b, err := s.Recv(fd, n, sockapi.MSG_WAITALL)
	if err == nil && len(b) < n {
		err = fmt.Errorf("the stream ends after %d of %d bytes", len(b), n)
	}
	return b, err
}

func sendAll(s session, fd int, b []byte) error {
	_, err := s.Send(fd, b, sockapi.MSG_NOSIGNAL)
	return err
}
