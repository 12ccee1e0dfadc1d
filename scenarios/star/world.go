package star

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"fivetuple/sim"
	"fivetuple/sim/netem"
	"fivetuple/sockapi"
	"fivetuple/stack"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"
)

// globals are the names a script starts with.
func (r *runner) globals() starlark.StringDict {
	g := starlark.StringDict{
		"expect": r.expectValue(),
		"seed":   starlark.MakeUint64(r.cfg.Seed),
	}
	for name, f := range map[string]builtin{
		"host": r.host, "link": r.link, "switch": r.switchFn, "run": r.run, "at": r.at,
		"now": r.now, "attempt": r.attempt, "duration": r.duration, "mark": r.mark,
		"packets": r.packetsFn, "add_name": r.addName, "add_service": r.addService,
		"pack": r.pack, "unpack": r.unpack, "checksum": r.checksum,
	} {
		g[name] = starlark.NewBuiltin(name, f)
	}
	for name, v := range sockapi.Constants() {
		g[name] = starlark.MakeInt(v)
	}
	for name := range sockapi.Errnos() {
		g[name] = starlark.String(name)
	}
	for _, name := range sockapi.EAINames() {
		g[name] = starlark.String(name)
	}
	return g
}

// hostValue is a host as a script sees it.
type hostValue struct {
	object
	r *runner
	h *sim.Host
	// real is set instead of h for a host that is not simulated in this run.
	real *sim.RealHost
}

// host(name, *addresses, ...) makes a host, or finds one of a live session.
func (r *runner) host(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) == 0 {
		return nil, errors.New(`host: missing name, as in host("client", "10.0.0.1/24")`)
	}
	name, ok := starlark.AsString(args[0])
	if !ok {
		return nil, fmt.Errorf("host: the name is a string, not %s", args[0].Type())
	}
	for _, h := range r.hosts {
		if h.name == name && len(args) == 1 {
			return h, nil
		}
	}
	if h, live := r.world.Host(name); live && r.cfg.World != nil {
		return r.hostValue(h), nil
	}
	cfg := sim.HostConfig{Name: name}
	var err error
	if cfg.Addrs, err = prefixes(args[1:]); err != nil {
		return nil, fmt.Errorf("host %s: %w", name, err)
	}
	if err := hostOptions(b, &cfg, kwargs); err != nil {
		return nil, err
	}
	if slices.Contains(r.cfg.Real, name) {
		real, err := r.world.AddRealHost(cfg)
		if err != nil {
			return nil, err
		}
		return r.realValue(real), nil
	}
	h, err := r.world.AddHost(cfg)
	if err != nil {
		return nil, err
	}
	return r.hostValue(h), nil
}

// Type implements [starlark.Value], also for the nil that UnpackArgs asks what
// it wants.
func (v *hostValue) Type() string { return "host" }

// hostOptions reads host's keyword arguments, named after Linux's sysctls.
func hostOptions(b *starlark.Builtin, cfg *sim.HostConfig, kwargs []starlark.Tuple) error {
	var minRTO, maxRTO, timeWait, finTimeout duration
	var rmem, wmem, ports starlark.Value
	var synRetries, retries int
	sack, rack := true, true
	if err := starlark.UnpackArgs(b.Name(), nil, kwargs,
		"forwarding?", &cfg.Forwarding, "congestion_control?", &cfg.TCP.Congestion, "sack?", &sack, "rack?", &rack,
		"min_rto?", &minRTO, "max_rto?", &maxRTO, "time_wait?", &timeWait, "fin_timeout?", &finTimeout,
		"syn_retries?", &synRetries, "retries?", &retries, "rmem?", &rmem, "wmem?", &wmem,
		"syncookies?", &cfg.TCP.SynCookies, "local_port_range?", &ports); err != nil {
		return err
	}
	t := &cfg.TCP
	t.NoSACK, t.NoRACK = !sack, !rack
	t.MinRTO, t.MaxRTO, t.TimeWait, t.FinTimeout = minRTO.d, maxRTO.d, timeWait.d, finTimeout.d
	if synRetries < 0 || synRetries > stack.MaxSynRetries || retries < 0 {
		return fmt.Errorf("host %s: syn_retries is between 1 and %d (netstack gives up then), retries at least 1", cfg.Name, stack.MaxSynRetries)
	}
	t.SynRetries, t.MaxRetries = uint8(synRetries), uint64(retries)
	for _, m := range []struct {
		name string
		v    starlark.Value
		to   *stack.BufferRange
	}{{"rmem", rmem, &t.RcvBuf}, {"wmem", wmem, &t.SndBuf}} {
		if err := bufferRange(m.v, m.to); err != nil {
			return fmt.Errorf("host %s: %s: %w", cfg.Name, m.name, err)
		}
	}
	if ports == nil {
		return nil
	}
	pr, ok := ports.(starlark.Tuple)
	if !ok || len(pr) != 2 {
		return fmt.Errorf("host %s: local_port_range is (first, last)", cfg.Name)
	}
	for i, to := range []*uint16{&cfg.EphemeralFirst, &cfg.EphemeralLast} {
		if err := starlark.AsInt(pr[i], to); err != nil {
			return fmt.Errorf("host %s: local_port_range: port %s: must be between 1 and 65535", cfg.Name, pr[i])
		}
	}
	return nil
}

// bufferRange reads ("4kb", "64kb", "1mb"): smallest, initial, largest, as in
// tcp_rmem.
func bufferRange(v starlark.Value, to *stack.BufferRange) error {
	if v == nil {
		return nil
	}
	t, ok := v.(starlark.Tuple)
	if !ok || len(t) != 3 {
		return errors.New(`want (min, default, max), as in ("4kb", "64kb", "1mb")`)
	}
	for i, p := range []*int{&to.Min, &to.Default, &to.Max} {
		s, ok := starlark.AsString(t[i])
		if !ok {
			return fmt.Errorf(`%s: a size needs a unit, as in "64kb"`, t[i])
		}
		n, err := netem.ParseSize(s)
		if err != nil {
			return err
		}
		*p = int(n)
	}
	return nil
}

func (r *runner) hostValue(h *sim.Host) *hostValue {
	v := &hostValue{r: r, h: h}
	v.typ, v.name = "host", h.Name()
	v.methods = map[string]builtin{
		"spawn": v.spawn, "sockets": v.sockets, "lookup": v.lookup, "fds": v.fds, "route": v.route,
		"ss": v.ss, "ports": v.ports,
	}
	v.fields = map[string]func() starlark.Value{"name": stringField(h.Name()), "addr": v.addr, "addrs": v.addrs}
	r.hosts = append(r.hosts, v)
	return v
}

func (v *hostValue) addr() starlark.Value {
	if a := v.prefixes(); len(a) > 0 {
		return starlark.String(a[0].Addr().String())
	}
	return starlark.None
}

func (v *hostValue) addrs() starlark.Value {
	var out []string
	for _, a := range v.prefixes() {
		out = append(out, a.Addr().String())
	}
	return list(out)
}

// route(dst, via): host.route("0.0.0.0/0", "10.0.0.254").
func (v *hostValue) route(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var dst, via string
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "dst", &dst, "via", &via); err != nil {
		return nil, err
	}
	if dst == "default" {
		dst = "0.0.0.0/0"
	}
	p, err := netip.ParsePrefix(dst)
	if err != nil {
		return nil, fmt.Errorf(`route: %q is not a prefix: write "10.1.0.0/16", or "default"`, dst)
	}
	gw, err := netip.ParseAddr(via)
	if err != nil {
		return nil, fmt.Errorf("route: %q is not an IP address", via)
	}
	if v.real != nil {
		return starlark.None, v.real.AddRoute(p, gw)
	}
	return starlark.None, v.h.AddRoute(p, gw)
}

// link(a, b, ...) links two hosts.
func (r *runner) link(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var a, z *hostValue
	var imp impairments
	var cfg sim.LinkConfig
	pairs := append([]any{"a", &a, "b", &z, "name?", &cfg.Name, "mtu?", &cfg.MTU, "ethernet?", &cfg.Ethernet}, imp.pairs()...)
	var addrsA, addrsB *starlark.List
	pairs = append(pairs, "a_addrs?", &addrsA, "b_addrs?", &addrsB)
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, pairs...); err != nil {
		return nil, err
	}
	var err error
	if cfg.AB, cfg.BA, err = imp.configs(); err != nil {
		return nil, fmt.Errorf("link %s-%s: %w", a.name, z.name, err)
	}
	if cfg.AddrsA, err = addrList(addrsA); err != nil {
		return nil, err
	}
	if cfg.AddrsB, err = addrList(addrsB); err != nil {
		return nil, err
	}
	l, err := r.world.Connect(a.node(), z.node(), cfg)
	if err != nil {
		return nil, err
	}
	return r.linkValue(l), nil
}

func addrList(l *starlark.List) ([]netip.Prefix, error) {
	if l == nil {
		return nil, nil
	}
	var t starlark.Tuple
	for i := range l.Len() {
		t = append(t, l.Index(i))
	}
	return prefixes(t)
}

func (r *runner) linkValue(l *sim.Link) *object {
	set := func(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		var imp impairments
		if err := starlark.UnpackArgs(b.Name(), args, kwargs, imp.pairs()...); err != nil {
			return nil, err
		}
		ab, ba, err := imp.configs()
		if err != nil {
			return nil, err
		}
		return starlark.None, errors.Join(l.Impair(sim.AB, *ab), l.Impair(sim.BA, *ba))
	}
	return &object{typ: "link", name: l.Name(), methods: map[string]builtin{"set": set},
		fields: map[string]func() starlark.Value{"name": stringField(l.Name())}}
}

// switch(name, *hosts, ...) links hosts to an Ethernet switch.
func (r *runner) switchFn(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) < 1 {
		return nil, errors.New(`switch: missing name, as in switch("lan", a, b, c)`)
	}
	name, ok := starlark.AsString(args[0])
	if !ok {
		return nil, errors.New(`switch: the first argument is its name, as in switch("lan", a, b, c)`)
	}
	var imp impairments
	mtu := 0
	if err := starlark.UnpackArgs(b.Name(), nil, kwargs, append([]any{"mtu?", &mtu}, imp.pairs()...)...); err != nil {
		return nil, err
	}
	ab, ba, err := imp.configs()
	if err != nil {
		return nil, fmt.Errorf("switch %s: %w", name, err)
	}
	sw := r.world.AddSwitch(name)
	for _, a := range args[1:] {
		h, ok := a.(*hostValue)
		if !ok {
			return nil, fmt.Errorf("switch %s: %s is not a host", name, a)
		}
		if _, err := sw.Attach(h.node(), sim.LinkConfig{MTU: mtu, AB: ab, BA: ba}); err != nil {
			return nil, err
		}
	}
	return starlark.None, nil
}

// run(until = None) runs the world until it is quiet, or until a time.
func (r *runner) run(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var until duration
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "until?", &until); err != nil {
		return nil, err
	}
	l := sim.UntilQuiet
	if until.set {
		l = limit(until.d)
	}
	err := r.runTo(l)
	var deadlock *sim.DeadlockError
	if errors.As(err, &deadlock) {
		err = fmt.Errorf("%w\n  what is meant to wait for ever is spawned with daemon = True", err)
	}
	if errors.Is(err, sim.ErrMaxEvents) {
		err = fmt.Errorf("%w\n  a process that sleeps or sends in an endless loop? run(until = \"10s\") ends in any case", err)
	}
	return starlark.None, err
}

// runTo runs the world.
func (r *runner) runTo(l sim.Limit) error {
	if !r.ran && r.cfg.Started != nil {
		r.cfg.Started(r.world)
	}
	r.ran, r.result.Ran = true, true
	return r.exec(r.ctx, l)
}

// at(time, fn, *args) calls a function at a time of the run.
func (r *runner) at(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) < 2 || len(kwargs) > 0 {
		return nil, errors.New(`at: write at("1s", function, arguments...)`)
	}
	var when duration
	if err := when.Unpack(args[0]); err != nil {
		return nil, fmt.Errorf("at: %w", err)
	}
	fn, ok := args[1].(starlark.Callable)
	if !ok {
		return nil, fmt.Errorf("at: %s is not a function", args[1])
	}
	r.world.At(when.d, func() {
		if _, err := starlark.Call(r.newThread("at "+when.d.String()), fn, args[2:], nil); err != nil {
			r.world.Fail(located(err))
		}
	})
	return starlark.None, nil
}

func (r *runner) now(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	return startime.Duration(r.world.Now()), starlark.UnpackArgs(b.Name(), args, kwargs)
}

func (r *runner) duration(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var d duration
	err := starlark.UnpackArgs(b.Name(), args, kwargs, "time", &d)
	return startime.Duration(d.d), err
}
