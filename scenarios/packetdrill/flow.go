package packetdrill

import (
	"encoding/binary"
	"slices"
	"strings"
	"time"
)

// ports are a connection's local and remote port.
type ports struct{ local, remote uint16 }

// conn is a connection between the host and the script, and how the script's
// numbers map to those on the wire.
type conn struct {
	ports
	serial  int // in the order of their making
	udp     bool
	passive bool
	fd      int // ours; -1: not accepted yet

	localISN, remoteISN   uint32 // on the wire
	localSYN, remoteSYN   uint32 // what the script wrote in their SYN
	haveLocal, haveRemote bool
	answered              bool // the host has sent more than SYNs
	reopened              bool // the script's last segment was another SYN
	lastSeq               uint32
	lastData, lastAck     time.Duration // when the script sent data, an ACK
	joined                bool          // the script has sent an ACK
	finSeen               bool          // the script has sent a FIN
	mss, scale, maxWindow int           // of the script, for bufferSize

	ts      map[uint32]uint32 // timestamps: the script's → ours
	tsFirst [2]uint32         // the first: the script's, ours
	haveTS  bool
}

// observed is a packet that the host has sent.
type observed struct {
	at time.Duration
	segment
	c *conn // nil: of no connection that is known
}

// observe takes what the host sends: it is the link's far end.
func (r *runner) observe(p Sent) {
	s, ok := decode(p.Bytes)
	if !ok || s.src != r.set.LocalIP {
		return
	}
	if r.set.allows("sack-room") {
		hideRoom(&s, r.set.MTU)
	}
	o := observed{at: p.At, segment: s}
	key := ports{s.srcPort, s.dstPort}
	c := r.conns[key]
	switch {
	case s.proto == protoTCP:
		if c == nil && s.flags&(flagSYN|flagACK) == flagSYN {
			c = r.newConn(key)
			c.fd = r.connecting
		}
		if c != nil {
			c.sees(&s)
			r.segmentSent(c, &s)
		}
	case s.proto == protoUDP && c == nil:
		c = r.newConn(key)
		c.udp = true
	}
	o.c = c
	r.sent = append(r.sent, o)
	r.trace = append(r.trace, traced{observed: o, cut: p.Segment})
}

// sees notes what a segment of the host says about the connection.
func (c *conn) sees(s *segment) {
	if s.flags&flagSYN != 0 && (!c.haveLocal || c.reopened && s.seq != c.localISN) {
		c.haveLocal, c.localISN, c.reopened = true, s.seq, false
	}
	if s.flags&(flagSYN|flagRST) == 0 {
		c.answered = true
	}
	c.lastSeq = s.seq
}

// newConn makes a connection, which becomes the one under test.
func (r *runner) newConn(key ports) *conn {
	r.serial++
	c := &conn{ports: key, serial: r.serial, fd: -1, ts: make(map[uint32]uint32)}
	r.conns[key] = c
	r.cur, r.fresh = c, false
	return c
}

// target is the connection that an inbound packet belongs to.
func (r *runner) target(k *Packet) *conn {
	if k.Ports != nil {
		key := ports{uint16(k.Ports[1]), uint16(k.Ports[0])}
		if c := r.conns[key]; c != nil {
			r.cur = c
			return c
		}
		return r.newConn(key)
	}
	c := r.cur
	if k.TCP != nil && r.opensNew(k.TCP, c) {
		r.nextPort++
		c = r.newConn(ports{uint16(r.set.BindPort), uint16(r.nextPort)})
		c.passive = true
		return c
	}
	if c == nil && k.UDP != nil {
		r.nextPort++
		c = r.newConn(ports{uint16(r.set.BindPort), uint16(r.nextPort)})
		c.udp = true
	}
	if c == nil {
		panic(problem(Invalid, r.line, "there is no connection yet that this packet could belong to"))
	}
	return c
}

// opensNew reports whether a segment is a new connection's first: a SYN, while
// no connection is under test. One ends that by being the last to listen.
func (r *runner) opensNew(t *TCP, c *conn) bool {
	bits, _ := flagBits(t.Flags)
	return c == nil && bits&(flagSYN|flagACK|flagRST) == flagSYN
}

// inject sends a packet of the script to the host.
func (r *runner) inject(k *Packet) {
	c := r.target(k)
	s := segment{src: r.set.RemoteIP, dst: r.set.LocalIP, ttl: 255, srcPort: c.remote, dstPort: c.local}
	r.ipFields(k.IP, &s)
	switch {
	case k.TCP != nil:
		r.fillTCP(k.TCP, c, &s)
	case k.UDP != nil:
		s.proto, s.payload = protoUDP, make([]byte, k.UDP.Len)
	default:
		r.fillICMP(k.ICMP, c, &s)
	}
	b := s.bytes()
	if len(b) > maxPayload {
		panic(problem(Invalid, r.line, "the packet has %d bytes: IP has %d at most", len(b), maxPayload))
	}
	r.trace = append(r.trace, traced{observed: observed{at: r.tgt.Now(), c: c}, line: r.line, from: k})
	if err := r.tgt.Inject(b); err != nil {
		r.diverge("the host does not take the packet: %v", err)
	}
}

// ipFields sets what stands in brackets.
func (r *runner) ipFields(info *IPInfo, s *segment) {
	if info == nil {
		return
	}
	for _, f := range info.Fields {
		switch f.Name {
		case "noecn":
			s.tos &^= 3
		case "ect1":
			s.tos = s.tos&^3 | 1
		case "ect0":
			s.tos = s.tos&^3 | 2
		case "ce":
			s.tos |= 3
		case "tos", "tclass":
			s.tos = byte(f.Value)
		case "ttl", "hoplimit":
			s.ttl = byte(f.Value)
		default:
			panic(problem(Dialect, r.line, "[%s] cannot be mapped on an inbound packet", f.Name))
		}
	}
}

func (r *runner) fillTCP(t *TCP, c *conn, s *segment) {
	bits, _ := flagBits(t.Flags)
	s.proto, s.flags = protoTCP, bits
	switch {
	case bits&flagSYN != 0 && (!c.haveRemote || !c.answered && !(c.passive && c.joined)):
		c.haveRemote, c.remoteISN, c.remoteSYN = true, t.Start, t.Start
		s.seq = t.Start
	case bits&flagSYN != 0 && t.Start == c.remoteSYN:
		s.seq = c.remoteISN
	default:
		s.seq = c.remoteISN + t.Start
		c.reopened = bits&(flagSYN|flagACK) == flagSYN
	}
	if t.Ack != nil {
		s.ack = c.localISN + *t.Ack
		if bits&flagSYN != 0 {
			s.ack -= c.localSYN
		}
	}
	if t.Win == nil {
		panic(problem(Invalid, r.line, "an inbound segment needs a window: write win 65535"))
	}
	s.win = uint16(*t.Win)
	if t.Urg != nil {
		s.urg = uint16(*t.Urg)
	}
	s.payload = make([]byte, t.Len)
	c.noteInbound(t, bits, r.tgt.Now())
	c.noteWindow(t, bits, r.set.MTU)
	for _, o := range t.Opts {
		s.opts = append(s.opts, r.inboundOpt(o, c))
	}
	if bits&flagSYN != 0 && r.set.allows("sack-room") {
		makeRoom(s.opts)
	}
	if n := len(encodeOpts(s.opts)); n%4 != 0 || n > 40 {
		panic(problem(Invalid, r.line, "the TCP options take %d bytes: need a multiple of 4, at most 40", n))
	}
	if bits&flagSYN != 0 && t.Len > 0 {
		r.doubtful(featureTFO, "the SYN carries data, and netstack has no TCP Fast Open (RFC 7413)")
	}
}

// inboundOpt maps the numbers of an option to those on the wire.
func (r *runner) inboundOpt(o TCPOpt, c *conn) TCPOpt {
	switch o.Name {
	case "sack":
		blocks := make([][2]uint32, len(o.Blocks))
		for i, b := range o.Blocks {
			blocks[i] = [2]uint32{c.localISN + b[0], c.localISN + b[1]}
		}
		o.Blocks = blocks
	case "TS":
		o.Ecr = int64(c.ourTS(uint32(o.Ecr)))
	case "FO", "FOEXP":
		r.doubtful(featureTFO, "the packet has option %s, and netstack has no TCP Fast Open (RFC 7413)", o.Name)
	case "md5":
		r.doubtful("TCP MD5", "netstack does not look at signatures (RFC 2385)")
	case "ECN":
		panic(unsupported(r.line, "Accurate ECN", "netstack has no Accurate ECN"))
	}
	return o
}

// makeRoom raises an MSS by the room that netstack keeps for SACK blocks: four,
// or three beside a timestamp.
func makeRoom(opts []TCPOpt) {
	has := func(name string) bool {
		return slices.ContainsFunc(opts, func(o TCPOpt) bool { return o.Name == name })
	}
	room := int64(36)
	if has("TS") {
		room = 28
	}
	for i := range opts {
		if opts[i].Name == "mss" && has("sackOK") {
			opts[i].Value += room
		}
	}
}

// ourTS maps a timestamp that the script echoes.
func (c *conn) ourTS(script uint32) uint32 {
	if v, ok := c.ts[script]; ok {
		return v
	}
	if !c.haveTS {
		return script
	}
	return c.tsFirst[1] + script - c.tsFirst[0]
}

// fillICMP builds an error about the connection's last packet, or an echo.
func (r *runner) fillICMP(m *ICMP, c *conn, s *segment) {
	v6 := s.dst.Is6()
	s.proto = protoICMP
	if v6 {
		s.proto = protoICMPv6
	}
	typ, ok := icmpNumber(m.Type, icmpTypes(v6))
	if !ok {
		panic(problem(Dialect, r.line, "ICMP type %q is not known for %s", m.Type, r.set.IPVersion))
	}
	code, ok := icmpNumber(m.Code, icmpCodes(v6, m.Type))
	if !ok {
		panic(problem(Dialect, r.line, "code %q of ICMP %s is not known for %s", m.Code, m.Type, r.set.IPVersion))
	}
	s.icmpType, s.code = typ, code
	if m.MTU != nil {
		s.icmpRest = uint32(*m.MTU)
	}
	if m.ID != nil {
		s.icmpRest = uint32(*m.ID) << 16
	}
	if strings.HasPrefix(m.Type, "echo") {
		if m.Len != nil {
			s.payload = make([]byte, *m.Len)
		}
		return
	}
	s.payload = r.quoted(m.Echoed, c)
}

// quoted is the beginning of the packet that an ICMP error is about.
func (r *runner) quoted(e *Echoed, c *conn) []byte {
	q := segment{src: r.set.LocalIP, dst: r.set.RemoteIP, ttl: 64, proto: protoTCP, srcPort: c.local, dstPort: c.remote, seq: c.lastSeq, flags: flagACK}
	if c.udp || e != nil && e.Proto == "udp" {
		q.proto = protoUDP
	}
	n := 0
	if e != nil {
		n = e.Len
		if e.Proto == "" {
			q.seq = c.localISN + e.Start
		}
	}
	b := q.bytes()
	if q.src.Is4() {
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)+n))
		b[10], b[11] = 0, 0
		binary.BigEndian.PutUint16(b[10:], fold(sum(b[:20], 0)))
		return b[:28]
	}
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40+n))
	return b[:48]
}

const featureTFO = "TCP Fast Open"
