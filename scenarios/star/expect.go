package star

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"fivetuple/internal/spell"
	"fivetuple/sockapi"
	"fivetuple/trace"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"
)

// expectObject is expect: callable itself, with the other expectations as
// methods.
type expectObject struct {
	object
	call *starlark.Builtin
}

var _ starlark.Callable = (*expectObject)(nil)

// Name implements [starlark.Callable].
func (e *expectObject) Name() string { return "expect" }

// CallInternal implements [starlark.Callable].
func (e *expectObject) CallInternal(th *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	return e.call.CallInternal(th, args, kwargs)
}

func (r *runner) expectValue() starlark.Value {
	e := &expectObject{call: starlark.NewBuiltin("expect", r.expect)}
	e.typ, e.name = "expect", "expect"
	e.methods = map[string]builtin{
		"eq": r.expectEq, "errno": r.expectErrno, "states": r.expectStates, "packets": r.expectPackets,
		"count": r.expectCount, "dropped": r.expectDropped, "fails": r.expectFails,
	}
	return e
}

// check records an expectation and fails the script if it does not hold.
func (r *runner) check(th *starlark.Thread, ok bool, claim, got string) (starlark.Value, error) {
	r.world.Bus().Emit(trace.Origin{}, &trace.Expect{OK: ok, Claim: claim, Got: got, Where: where(th)})
	if ok {
		r.result.Met++
		return starlark.None, nil
	}
	r.result.Failed++
	msg := "expected " + claim
	if got != "" {
		msg += "\n  got " + got
	}
	if last := r.rec.lines(); len(last) > 0 {
		msg += "\n  the last events were\n    " + strings.Join(last, "\n    ")
	}
	return nil, errors.New(msg)
}

// expect(condition, message = "").
func (r *runner) expect(th *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var cond starlark.Value
	var msg string
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "condition", &cond, "message?", &msg); err != nil {
		return nil, err
	}
	if msg == "" {
		msg = "the condition to hold"
	}
	return r.check(th, bool(cond.Truth()), msg, "")
}

// expect.eq(got, want, message = "").
func (r *runner) expectEq(th *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var got, want starlark.Value
	var msg string
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "got", &got, "want", &want, "message?", &msg); err != nil {
		return nil, err
	}
	ok, err := starlark.Compare(syntax.EQL, got, want)
	if err != nil {
		return nil, err
	}
	claim := want.String()
	if msg != "" {
		claim = msg + ": " + claim
	}
	return r.check(th, ok, claim, got.String())
}

// expect.errno(ECONNREFUSED, p.connect, s, addr) expects the call to fail.
func (r *runner) expectErrno(th *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) < 2 {
		return nil, errors.New("expect.errno: write expect.errno(ECONNREFUSED, p.connect, s, addr)")
	}
	want, ok := starlark.AsString(args[0])
	if _, known := sockapi.Errnos()[want]; !ok || !known && !slices.Contains(sockapi.EAINames(), want) {
		hint := spell.Hint(want, slices.Sorted(maps.Keys(sockapi.Errnos())))
		return nil, fmt.Errorf("expect.errno: %s is not an errno%s", args[0], hint)
	}
	_, errno, err := r.try(th, args[1], args[2:], kwargs)
	if err != nil {
		return nil, err
	}
	if errno == "" {
		errno = "success"
	}
	return r.check(th, errno == want, fmt.Sprintf("%s to fail with %s", callName(args[1]), want), errno)
}

// expect.fails("text", fn, *args) expects an error of the scenario itself.
func (r *runner) expectFails(th *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) < 2 {
		return nil, errors.New(`expect.fails: write expect.fails("text of the error", function, arguments...)`)
	}
	want, ok := starlark.AsString(args[0])
	if !ok {
		return nil, errors.New("expect.fails: the first argument is a part of the error's text")
	}
	got := "success"
	if _, err := starlark.Call(th, args[1], args[2:], kwargs); err != nil {
		got = located(err).Error()
	}
	return r.check(th, strings.Contains(got, want), fmt.Sprintf("%s to fail with %q", callName(args[1]), want), got)
}

func callName(v starlark.Value) string {
	if c, ok := v.(starlark.Callable); ok {
		return strings.TrimPrefix(c.Name(), "process.")
	}
	return v.String()
}

// try calls a socket call and returns its errno instead of failing.
func (r *runner) try(th *starlark.Thread, fn starlark.Value, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, string, error) {
	v, err := starlark.Call(th, fn, args, kwargs)
	var call *sockapi.Error
	if errors.As(err, &call) {
		return starlark.None, call.Errno.Name(), nil
	}
	var lookup *sockapi.LookupError
	if errors.As(err, &lookup) {
		return starlark.None, lookup.Code.Name(), nil
	}
	return v, "", err
}

// attempt(p.connect, s, addr) returns a struct with value and errno: one of
// them is None.
func (r *runner) attempt(th *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) == 0 {
		return nil, errors.New("attempt: write attempt(p.connect, s, addr)")
	}
	v, errno, err := r.try(th, args[0], args[1:], kwargs)
	if err != nil {
		return nil, err
	}
	var e starlark.Value = starlark.None
	if errno != "" {
		v, e = starlark.None, starlark.String(errno)
	}
	return starlarkstruct.FromStringDict(starlark.String("result"), starlark.StringDict{"value": v, "errno": e, "ok": starlark.Bool(errno == "")}), nil
}

// expect.states(host, ["SYN-SENT", ...], local, remote) expects the states
// that a host's TCP sockets went through, in order.
func (r *runner) expectStates(th *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var h *hostValue
	var want *starlark.List
	var f socketFilter
	listeners := false
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "host", &h, "states", &want, "local?", &f.local, "remote?", &f.remote, "listeners?", &listeners); err != nil {
		return nil, err
	}
	wanted, err := stringList(want)
	if err != nil {
		return nil, err
	}
	for _, s := range wanted {
		if err := checkState(s); err != nil {
			return nil, fmt.Errorf("expect.states: %w", err)
		}
	}
	var got []string
	for _, s := range r.rec.states {
		if s.host == h.name && (s.Remote.IsValid() || listeners) && matchAddr(f.local, s.Local) && matchAddr(f.remote, s.Remote) {
			got = append(got, string(s.To))
		}
	}
	for i, s := range wanted {
		if s == "ESTAB" {
			wanted[i] = string(trace.Established)
		}
	}
	w, g := strings.Join(wanted, " "), strings.Join(got, " ")
	return r.check(th, w == g, "the states of "+h.name+" to be "+cmp.Or(w, "none"), cmp.Or(g, "none"))
}

// expect.packets([...], src, dst, proto, port) expects exactly these packets,
// in the order in which they were sent.
func (r *runner) expectPackets(th *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var want *starlark.List
	var f packetFilter
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "packets", &want, "src?", &f.src, "dst?", &f.dst, "proto?", &f.proto, "port?", &f.port); err != nil {
		return nil, err
	}
	wanted, err := stringList(want)
	if err != nil {
		return nil, err
	}
	got, err := r.packets(&f)
	if err != nil {
		return nil, fmt.Errorf("expect.packets: %w", err)
	}
	claim := fmt.Sprintf("these %d packets", len(wanted))
	for i := range max(len(wanted), len(got)) {
		w, g := "no more packets", "no more packets"
		if i < len(wanted) {
			w = wanted[i]
		}
		if i < len(got) {
			g = got[i].String()
		}
		if w != g {
			return r.check(th, false, fmt.Sprintf("packet %d to be\n       %s", i+1, w), "   "+g)
		}
	}
	return r.check(th, true, claim, "")
}

// expect.count(n, src, dst, proto, port, retransmit) expects n packets.
func (r *runner) expectCount(th *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var n int
	var f packetFilter
	re, flags := false, ""
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "n", &n, "src?", &f.src, "dst?", &f.dst, "proto?", &f.proto,
		"port?", &f.port, "retransmit?", &re, "flags?", &flags); err != nil {
		return nil, err
	}
	got := 0
	found, err := r.packets(&f)
	if err != nil {
		return nil, fmt.Errorf("expect.count: %w", err)
	}
	for _, p := range found {
		if (!re || p.re) && (flags == "" || flags == p.sum.Flags) {
			got++
		}
	}
	what := "packets"
	if re {
		what = "retransmissions"
	}
	return r.check(th, got == n, fmt.Sprintf("%d %s", n, what), fmt.Sprint(got))
}

// expect.dropped(n, reason = "") expects n dropped packets.
func (r *runner) expectDropped(th *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var n int
	var reason string
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "n", &n, "reason?", &reason); err != nil {
		return nil, err
	}
	got := 0
	for _, p := range r.rec.packets {
		if p.dropped && strings.Contains(p.reason, reason) {
			got++
		}
	}
	return r.check(th, got == n, fmt.Sprintf("%d dropped packets", n), fmt.Sprint(got))
}

// mark(text) puts a remark into the trace.
func (r *runner) mark(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var text string
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "text", &text); err != nil {
		return nil, err
	}
	r.world.Bus().Emit(trace.Origin{}, &trace.Mark{Text: text})
	return starlark.None, nil
}
