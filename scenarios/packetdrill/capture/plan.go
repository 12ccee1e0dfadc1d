package capture

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"fivetuple/scenarios/packetdrill"
)

// plan is what the calls have to be, found by looking at the whole connection.
type plan struct {
	writes    map[int]write // before the step of this index
	halfClose bool          // the FIN came of shutdown: data was taken after it
	refuses   bool          // nobody listens
	heldBack  bool          // ACKs of this side were held back
	slowest   time.Duration // the longest that the stack took to answer
	mss       int           // that this side has offered
	sockopts  []sockopt     // of the socket that is made
	rcvbuf    int           // its receive buffer, if it is not the default
	// slowReader: the window was closed, so the program did not read at once.
	// scale is by how much this side's windows are scaled.
	slowReader, haveEdge bool
	scale                uint8
	lastEdge, lastACK    uint32
	keepalive            []sockopt // of the connection
}

// write is a write of the side under test. Nagle's algorithm must be off, or
// must be on, if sure.
type write struct {
	size          int
	nodelay, sure bool
}

type sockopt struct {
	level, name string
	value       int
}

func newPlan(v *view) plan {
	p := plan{writes: make(map[int]write), mss: 536}
	if v.IPv6() {
		p.mss = 1220 // RFC 9293, 3.7.1
	}
	syn := v.first[int(v.side)-1]
	p.refuses = v.side == Server && syn == nil && v.Handshake() == "refused"
	if syn != nil {
		for _, o := range syn.opts {
			if o.Name == "mss" {
				p.mss = int(o.Value)
			}
		}
		p.planWindow(v, syn)
		p.planWrites(v, syn.seq)
		p.planKeepalive(v, syn.seq)
		p.planClose(v)
	}
	p.planAnswers(v)
	return p
}

// IPv6 reports whether the connection's packets are IPv6's.
func (s *Stream) IPv6() bool { return s.Client.Addr().Is6() }

// planWrites finds what was written at once: up to a PSH, which a stack sets at
// the end of what it has to send.
func (p *plan) planWrites(v *view, isn uint32) {
	type piece struct {
		step, size  int
		outstanding bool // when it was sent
	}
	next, una := uint32(1), uint32(1)
	var pieces []piece
	end := func() {
		if len(pieces) == 0 {
			return
		}
		w := write{}
		for _, k := range pieces {
			w.size += k.size
		}
		last := pieces[len(pieces)-1]
		short := last.size < p.fullSize(v, &v.steps[last.step])
		switch {
		case short && last.outstanding:
			w.nodelay, w.sure = true, true
		case short && len(pieces) > 1:
			w.nodelay, w.sure = false, true
		}
		p.writes[pieces[0].step] = w
		pieces = nil
	}
	for i := range v.steps {
		st := &v.steps[i]
		switch {
		case st.icmp != nil:
		case !st.out && st.has(flagACK):
			if a := st.ack - isn; int32(a-una) > 0 && a <= next+1 {
				una = a
			}
		case st.out && st.size > 0 && !st.has(flagSYN):
			start := st.seq - isn
			stop := start + uint32(st.size)
			if int32(stop-next) <= 0 {
				continue
			}
			pieces = append(pieces, piece{i, int(stop - next), int32(next-una) > 0})
			next = stop
			if st.has(flagPSH) || st.has(flagFIN) {
				end()
			}
		}
	}
	end()
}

// fullSize is the size of a full segment of this side: the other side's MSS, or
// what goes through its own link, without the options.
func (p *plan) fullSize(v *view, st *step) int {
	mss := 536
	if other := v.first[2-int(v.side)]; other != nil {
		for _, o := range other.opts {
			if o.Name == "mss" {
				mss = int(o.Value)
			}
		}
	}
	return min(mss, p.mss) - optsLen(st.opts)
}

// defaultScale is netstack's window scale with its default buffers.
const defaultScale = 7

// planWindow finds the size of the receive buffer, and whether it was full.
func (p *plan) planWindow(v *view, syn *packet) {
	other := v.first[2-int(v.side)]
	for _, o := range syn.opts {
		if o.Name == "wscale" && o.Value != defaultScale {
			p.rcvbuf = 65535 << min(o.Value, 14)
			if o.Value == 0 {
				p.rcvbuf = 2 * int(syn.win) // half of a buffer is offered
			}
		}
		if o.Name == "wscale" && other.offers("wscale") {
			p.scale = uint8(min(o.Value, 14))
		}
	}
	for i := range v.steps {
		st := &v.steps[i]
		if st.out && st.has(flagACK) && !st.has(flagSYN) && !st.has(flagRST) && int(st.win)<<p.scale < p.mss {
			p.slowReader = true
		}
	}
}

// planClose decides whether the FIN came of close or of shutdown: a socket that
// is closed answers data with a RST, another one with an ACK.
func (p *plan) planClose(v *view) {
	fin := slices.IndexFunc(v.steps, func(s step) bool { return s.out && s.has(flagFIN) })
	if fin < 0 {
		return
	}
	for i, st := range v.steps[fin:] {
		if st.out || st.icmp != nil || st.size == 0 {
			continue
		}
		for _, a := range v.steps[fin+i:] {
			if a.out && a.icmp == nil {
				p.halfClose = p.halfClose || !a.has(flagRST)
				break
			}
		}
		return
	}
}

// maxLag is below every timer that sends an ACK: what takes longer is no slow
// machine.
const maxLag = 25 * time.Millisecond

// planAnswers looks at how this side acknowledges.
func (p *plan) planAnswers(v *view) {
	waiting := 0 // segments with data that nothing has acknowledged
	var since time.Duration
	for i := range v.steps {
		st := &v.steps[i]
		switch {
		case st.icmp != nil:
		case !st.out && (st.span() > 0 && !st.has(flagRST)):
			if waiting++; waiting == 1 {
				since = st.at
			}
			if st.size > p.mss {
				waiting++
			}
		case st.out && st.has(flagACK):
			lag := st.at - since
			if waiting > 1 || waiting == 1 && (lag >= maxLag || st.size > 0 && lag > 0) {
				p.heldBack = true
			}
			if waiting > 0 && lag < maxLag {
				p.slowest = max(p.slowest, lag)
			}
			waiting = 0
		}
	}
}

// planKeepalive finds probes of a connection that has nothing to send: they
// repeat the last number that was acknowledged.
func (p *plan) planKeepalive(v *view, isn uint32) {
	next, una := uint32(1), uint32(0)
	var heard time.Duration
	var probes []time.Duration
	interval := time.Duration(0) // between probes that nobody answered
	silent := false
	for i := range v.steps {
		st := &v.steps[i]
		switch {
		case st.icmp != nil:
		case !st.out:
			silent = false
			if len(probes) == 0 {
				heard = st.at
			}
			if st.has(flagACK) {
				una = max(una, st.ack-isn)
			}
		case st.size <= 1 && st.seq-isn == next-1 && una == next && !st.has(flagFIN) && !st.has(flagRST):
			if silent {
				interval = st.at - probes[len(probes)-1]
			}
			probes, silent = append(probes, st.at), true
		default:
			next = max(next, st.seq-isn+st.span())
		}
	}
	if len(probes) == 0 {
		return
	}
	add := func(name string, d time.Duration) {
		if n := int(d.Round(time.Second) / time.Second); n > 0 {
			p.keepalive = append(p.keepalive, sockopt{"IPPROTO_TCP", name, n})
		}
	}
	p.keepalive = append(p.keepalive, sockopt{"SOL_SOCKET", "SO_KEEPALIVE", 1})
	add("TCP_KEEPIDLE", probes[0]-heard)
	add("TCP_KEEPINTVL", interval)
}

// defaultMTU is that of scripts without --mtu.
func defaultMTU(v6 bool) int {
	if v6 {
		return 1520
	}
	return 1500
}

// settings writes the options, and what has to be set before the handshake.
func (b *builder) settings() {
	v6 := b.v.IPv6()
	if v6 {
		b.option("ip_version", string(packetdrill.IPv6))
	}
	b.settingsMTU(v6)
	if tol := 2 * b.slowest; tol > packetdrill.DefaultTolerance {
		b.option("tolerance_usecs", strconv.Itoa(int(tol.Round(time.Millisecond)/time.Microsecond)))
	}
	if !b.o.Strict && (b.o.Lenient || b.heldBack) {
		b.option("allow", "acks")
	}
	var sysctls []string
	if n := b.rcvbuf; n > 0 {
		sysctls = append(sysctls, fmt.Sprintf(`sysctl -q net.ipv4.tcp_rmem="%d %d %d"`, min(n, 4096), n, n))
	}
	mine, other := b.v.first[int(b.v.side)-1], b.v.first[2-int(b.v.side)]
	if mine != nil && !mine.offers("sackOK") && (b.v.active() || other.offers("sackOK")) {
		sysctls = append(sysctls, "sysctl -q net.ipv4.tcp_sack=0")
	}
	if len(sysctls) > 0 {
		b.init = &packetdrill.Command{Text: strings.Join(sysctls, "\n")}
	}
}

func (p *packet) offers(name string) bool {
	return p != nil && slices.ContainsFunc(p.opts, func(o opt) bool { return o.Name == name })
}

// settingsMTU makes the MSS that is offered come out: of the link's MTU, or of
// TCP_MAXSEG if larger segments were sent all the same.
func (b *builder) settingsMTU(v6 bool) {
	mine := b.v.first[int(b.v.side)-1]
	if !mine.offers("mss") {
		return
	}
	headers := 40
	if v6 {
		headers = 60
	}
	mtu := b.mss + headers
	if mtu < 576 || mtu > 65535 {
		b.sockopts = append(b.sockopts, sockopt{"IPPROTO_TCP", "TCP_MAXSEG", b.mss})
		return
	}
	if mtu != defaultMTU(v6) {
		b.option("mtu", strconv.Itoa(mtu))
	}
}
