package sim_test

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"fivetuple/sim"
	"fivetuple/sim/record"
	"fivetuple/sockapi"
	"fivetuple/stack"
	"fivetuple/trace"
	"fivetuple/trace/jsonl"

	"github.com/stretchr/testify/require"
)

// otherSide is a kernel behind a port: a world of its own in virtual time, which
// runs when the port is read or written. It can be asked for its connections.
type otherSide struct {
	t     *testing.T
	world *sim.World
	host  *sim.Host
	dev   *sim.Device
	out   [][]byte // packets that it has sent
	idle  func()   // called when all is over
	done  bool     // its process has ended
	fail  error    // of Connection
}

func newOtherSide(t *testing.T, fn func(*sockapi.Proc) error) *otherSide {
	o := &otherSide{t: t, world: sim.New(sim.Config{Seed: 9}), idle: func() {}}
	t.Cleanup(o.world.Close)
	var err error
	o.host, err = o.world.AddHost(sim.HostConfig{Name: "outside", Addrs: prefixes("10.0.0.1/24")})
	require.NoError(t, err)
	o.dev, err = o.host.AttachDevice(sim.DeviceConfig{Name: "ft0", Write: func(b []byte) error {
		o.out = append(o.out, bytes.Clone(b))
		return nil
	}})
	require.NoError(t, err)
	o.host.Spawn("client", func(p *sockapi.Proc) error {
		defer func() { o.done = true }()
		return fn(p)
	})
	return o
}

func (o *otherSide) run(d time.Duration) {
	require.NoError(o.t, o.world.Run(context.Background(), sim.Until(o.world.Now()+d)))
}

// Receive implements [sim.Port]: one packet at a time.
func (o *otherSide) Receive(ps []stack.Packet, timeout time.Duration) ([]stack.Packet, int, error) {
	if o.run(time.Millisecond); len(o.out) == 0 {
		if timeout != 0 && o.over() {
			o.idle()
		}
		return ps, 0, nil
	}
	ps = append(ps, stack.NewPacket(o.out[0]))
	o.out = o.out[1:]
	return ps, 0, nil
}

// over reports whether all connections have been closed.
func (o *otherSide) over() bool {
	return o.done && !slices.ContainsFunc(o.host.Sockets(), func(s trace.Socket) bool { return s.State != trace.TimeWait })
}

// Send implements [sim.Port].
func (o *otherSide) Send(_ int, ps []stack.Packet) (int, error) {
	for _, p := range ps {
		b := p.Bytes()
		p.Release()
		o.world.At(o.world.Now(), func() { o.dev.Inject(b) })
		o.run(time.Microsecond)
	}
	return 0, nil
}

// Wake implements [sim.Port]: Receive never waits.
func (o *otherSide) Wake() {}

// Connection implements [sim.Kernel].
func (o *otherSide) Connection(ft trace.FiveTuple) (trace.Socket, bool, error) {
	for _, s := range o.host.Sockets() {
		if s.FiveTuple == ft && s.State != trace.Closed {
			return s, true, o.fail
		}
	}
	return trace.Socket{}, false, o.fail
}

// observedWorld is a world that echoes behind a port, with its trace in out.
func observedWorld(t *testing.T, out *bytes.Buffer, port sim.Port) (*sim.World, *sim.Device) {
	w := sim.New(sim.Config{Seed: 7, Epoch: time.Unix(0, 0).UTC()})
	t.Cleanup(w.Close)
	w.Bus().Attach(jsonl.New(out, jsonl.Config{Seed: 7, Epoch: w.Epoch()}))
	h, err := w.AddHost(sim.HostConfig{Name: "lab", Addrs: prefixes("10.0.0.2/24")})
	require.NoError(t, err)
	d, err := h.AttachDevice(sim.DeviceConfig{Name: "ft0", Port: port})
	require.NoError(t, err)
	h.SpawnConfig(sim.SpawnConfig{Name: "echo", Daemon: true}, echo(t, labAddr.String()))
	return w, d
}

// quietPort is the outside of a world that is replayed.
type quietPort struct{}

func (quietPort) Receive(ps []stack.Packet, _ time.Duration) ([]stack.Packet, int, error) {
	return ps, 0, nil
}
func (quietPort) Send(int, []stack.Packet) (int, error) { return 0, nil }
func (quietPort) Wake()                                 {}

// talk is a client that closes first.
func talk(p *sockapi.Proc) error {
	s, err := p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0)
	if err == nil {
		err = p.Connect(s, labAddr)
	}
	if err == nil {
		_, err = p.Send(s, []byte("hello"), 0)
	}
	if err == nil {
		_, err = p.Recv(s, 100, 0)
	}
	p.Sleep(10 * time.Millisecond) // it is seen to be established meanwhile
	return errors.Join(err, p.Close(s))
}

// seen are the events of a host, and all by their numbers.
func seen(t *testing.T, file []byte, host string) (mine []*jsonl.Record, all map[trace.ID]*jsonl.Record) {
	all = make(map[trace.ID]*jsonl.Record)
	for r, err := range jsonl.Read(bytes.NewReader(file)) {
		require.NoError(t, err)
		all[r.ID] = &r
		if r.Host == host && r.Kind != "packet" {
			mine = append(mine, &r)
		}
	}
	return mine, all
}

// TestObserver: the states of a kernel behind a port are in the trace, each after
// the packet that the kernel had sent or was given; what changes without a packet
// is found by a sweep. The replay of the recording has the same trace.
func TestObserver(t *testing.T) {
	var live, again, file bytes.Buffer
	kernel := newOtherSide(t, talk)
	w, d := observedWorld(t, &live, kernel)
	rec, err := record.NewWriter(&file, record.Header{Seed: 7})
	require.NoError(t, err)
	w.Record(rec)
	o := w.Observe("linux", kernel)
	d.ObserveBy(o)
	o.Turn(true)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	kernel.idle = func() { // the connection is in TIME-WAIT: let that end, look, and end
		kernel.run(5 * time.Minute)
		kernel.idle = cancel
		require.True(t, o.Sweep(ctx))
	}
	require.NoError(t, w.RunPaced(ctx, sim.Forever))
	w.Record(nil)
	require.NoError(t, rec.End(record.End{Ran: w.Events(), Now: w.Now()}))
	require.NoError(t, w.Bus().Close())

	var states []string
	mine, all := seen(t, live.Bytes(), "linux")
	causes := make(map[string]*jsonl.Record)
	for _, r := range mine {
		cause := all[r.Cause]
		require.NotNil(t, cause, "%+v", r)
		require.Equal(t, "packet", cause.Kind)
		require.Contains(t, []string{r.Local + r.Remote, r.Remote + r.Local}, cause.Src+cause.Dst, "a packet of its connection")
		if r.Kind == "state" {
			states = append(states, r.From+" > "+r.To)
			causes[r.To] = cause
		}
	}
	require.Equal(t, []string{"CLOSED > SYN-SENT", "SYN-SENT > ESTABLISHED", "ESTABLISHED > FIN-WAIT-1",
		"FIN-WAIT-1 > FIN-WAIT-2", "FIN-WAIT-2 > TIME-WAIT", "TIME-WAIT > CLOSED"}, states)
	for state, flags := range map[string]string{"SYN-SENT": "sent S", "ESTABLISHED": "delivered S.", "FIN-WAIT-1": "sent F.",
		"FIN-WAIT-2": "delivered .", "TIME-WAIT": "delivered F.", "CLOSED": "delivered F."} {
		require.Equal(t, flags, causes[state].What+" "+causes[state].Flags, state)
	}
	require.True(t, slices.ContainsFunc(mine, func(r *jsonl.Record) bool { return r.Kind == "tcpinfo" && *r.Cwnd > 0 && r.MSS > 0 }))

	w2, d2 := observedWorld(t, &again, quietPort{})
	r, err := record.NewReader(&file)
	require.NoError(t, err)
	_, err = w2.Replay(t.Context(), r, d2)
	require.NoError(t, err)
	require.NoError(t, w2.Bus().Close())
	require.Equal(t, live.String(), again.String())
}

// TestObserverLate: of a connection that is older than the look at it, the state
// before is not known and not invented; and while nobody looks, nothing is asked.
func TestObserverLate(t *testing.T) {
	var out bytes.Buffer
	kernel := newOtherSide(t, talk)
	w, d := observedWorld(t, &out, kernel)
	asked := 0
	o := w.Observe("linux", kernelFunc(func(ft trace.FiveTuple) (trace.Socket, bool, error) {
		asked++
		return kernel.Connection(ft)
	}))
	d.ObserveBy(o)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	kernel.idle = cancel
	w.Bus().Attach(&onPacket{func(p *trace.Packet) {
		if p.Summary.Flags == "." && !o.On() {
			require.Zero(t, asked)
			o.Turn(true)
		}
	}})
	require.NoError(t, w.RunPaced(ctx, sim.Forever))
	require.NoError(t, w.Bus().Close())
	mine, _ := seen(t, out.Bytes(), "linux")
	require.Equal(t, "state", mine[0].Kind)
	require.Empty(t, mine[0].From)
	require.Equal(t, "ESTABLISHED", mine[0].To)
	require.NotZero(t, asked)
}

// TestObserverFails: a kernel that does not answer is said once, and asked no more.
func TestObserverFails(t *testing.T) {
	var out bytes.Buffer
	kernel := newOtherSide(t, talk)
	kernel.fail = errors.New("permission denied")
	w, d := observedWorld(t, &out, kernel)
	o := w.Observe("linux", kernel)
	d.ObserveBy(o)
	o.Turn(true)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	kernel.idle = cancel
	require.NoError(t, w.RunPaced(ctx, sim.Forever))
	require.NoError(t, w.Bus().Close())
	mine, _ := seen(t, out.Bytes(), "linux")
	require.Len(t, mine, 1)
	require.Equal(t, "its connections are not looked at any more: permission denied", mine[0].Text)
	require.False(t, o.On())
}

// TestObserverReuse: a five-tuple that is used again is another connection: the
// one before has ended, whatever was seen of that.
func TestObserverReuse(t *testing.T) {
	var out bytes.Buffer
	states := []trace.TCPState{trace.SynSent, trace.Established, trace.SynSent, trace.Established}
	w, d := observedWorld(t, &out, quietPort{})
	o := w.Observe("linux", kernelFunc(func(ft trace.FiveTuple) (trace.Socket, bool, error) {
		s := trace.Socket{FiveTuple: ft, State: states[0]}
		states = states[1:]
		return s, true, nil
	}))
	d.ObserveBy(o)
	o.Turn(true)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for range len(states) { // each a packet of the kernel's; what they say does not matter
			d.Post(ctx, segment(linuxAddr, labAddr))
		}
		w.Look(ctx, cancel)
	}()
	require.NoError(t, w.RunPaced(ctx, sim.Forever))
	require.NoError(t, w.Bus().Close())
	var got []string
	mine, _ := seen(t, out.Bytes(), "linux")
	for _, r := range mine {
		got = append(got, r.From+" > "+r.To)
	}
	require.Equal(t, []string{"CLOSED > SYN-SENT", "SYN-SENT > ESTABLISHED",
		"ESTABLISHED > CLOSED", "CLOSED > SYN-SENT", "SYN-SENT > ESTABLISHED"}, got)
}

type kernelFunc func(trace.FiveTuple) (trace.Socket, bool, error)

func (f kernelFunc) Connection(ft trace.FiveTuple) (trace.Socket, bool, error) { return f(ft) }

// onPacket is a sink that calls f for every packet.
type onPacket struct{ f func(*trace.Packet) }

func (o *onPacket) Event(e *trace.Event) error {
	if p, ok := e.Body.(*trace.Packet); ok {
		o.f(p)
	}
	return nil
}

func (*onPacket) Close() error { return nil }

// segment is an empty TCP segment with an ACK, and a checksum that is wrong.
func segment(from, to netip.AddrPort) []byte {
	b := make([]byte, 40)
	b[0], b[3], b[8], b[9], b[32], b[33] = 0x45, 40, 64, 6, 0x50, 0x10
	copy(b[12:], from.Addr().AsSlice())
	copy(b[16:], to.Addr().AsSlice())
	b[20], b[21], b[22], b[23] = byte(from.Port()>>8), byte(from.Port()), byte(to.Port()>>8), byte(to.Port())
	return b
}
