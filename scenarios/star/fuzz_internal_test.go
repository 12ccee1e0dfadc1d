package star

import (
	"context"
	"math/big"
	"strings"
	"testing"

	"fivetuple/sim"
	"fivetuple/sockapi"

	"go.starlark.net/starlark"
)

// someProcess is a process of a host that has lo and no link, after it ended:
// enough for looking up interfaces.
func someProcess(f *testing.F) *procValue {
	w := sim.New(sim.Config{Seed: 1})
	f.Cleanup(w.Close)
	h, err := w.AddHost(sim.HostConfig{Name: "h"})
	if err != nil {
		f.Fatal(err)
	}
	v := &procValue{r: &runner{world: w}}
	h.Spawn("fuzz", func(p *sockapi.Proc) error { v.p = p; return nil })
	if err := w.Run(context.Background(), sim.UntilQuiet); err != nil {
		f.Fatal(err)
	}
	return v
}

// values makes Starlark values of text: a line is a value, "#" starts an int,
// "'" bytes and "(" a tuple of the lines up to ")"; the rest are strings.
func values(lines []string) (starlark.Tuple, []string) {
	var out starlark.Tuple
	for len(lines) > 0 {
		line := lines[0]
		lines = lines[1:]
		switch {
		case strings.HasPrefix(line, "#"):
			n, _ := new(big.Int).SetString(line[1:], 10)
			if n == nil {
				n = new(big.Int)
			}
			out = append(out, starlark.MakeBigInt(n))
		case strings.HasPrefix(line, "'"):
			out = append(out, starlark.Bytes(line[1:]))
		case line == "(":
			var t starlark.Tuple
			t, lines = values(lines)
			out = append(out, t)
		case line == ")":
			return out, lines
		case line == "None":
			out = append(out, starlark.None)
		case line == "True":
			out = append(out, starlark.True)
		default:
			out = append(out, starlark.String(line))
		}
	}
	return out, nil
}

// FuzzUnpack gives the same values to everything that reads a script's
// addresses, options and control messages, and to pack: what that makes, unpack
// takes apart into the same values. Nothing panics.
func FuzzUnpack(f *testing.F) {
	v := someProcess(f)
	for _, seed := range []string{
		"(\n10.0.0.2\n#80\n)", "10.0.0.2:80", "(\neth0\n#2048\n#0\n02:00:00:00:01:01\n)", "(\nlo\n#2048\n)", "(\n224.1.1.1\nlo\n)",
		"(\n#0\n#2\n#64\n)\n(\n#41\n#50\n(\nlo\n::1\n)\n)", "10ms", "(\n#1\n#10\n)", "True", "None", "'\x00\x01",
		"BBHHIQs\n#8\n#255\n#65535\n#1\n#4294967295\n#18446744073709551615\nabc", "sB\nabc\n#1", "H\n#-1", "\u00ff\n#1",
	} {
		f.Add(seed)
	}
	pack, unpack := starlark.NewBuiltin("pack", v.r.pack), starlark.NewBuiltin("unpack", v.r.unpack)
	f.Fuzz(func(t *testing.T, text string) {
		args, _ := values(strings.Split(text, "\n"))
		for _, x := range args {
			for _, u := range []starlark.Unpacker{new(duration), new(addrPort), new(data)} {
				_ = u.Unpack(x)
			}
			var a sockAddr
			if a.Unpack(x) == nil {
				_ = a.resolve(v.p)
			}
			if option, err := optionValue(x); err == nil {
				_ = fromOption(option)
			}
			_, _ = v.mreq(x)
		}
		if control, err := v.controlOf(starlark.NewList(args)); err == nil {
			_ = v.control(control)
		}
		packed, err := pack.CallInternal(nil, args, nil)
		if err != nil {
			return
		}
		format := string(args[0].(starlark.String))
		if i := strings.Index(format, "s"); i >= 0 && i < len(format)-1 {
			return // unpack takes a string at the end alone
		}
		got, err := unpack.CallInternal(nil, starlark.Tuple{args[0], packed}, nil)
		if err != nil {
			t.Fatalf("pack%v is %v, which unpack does not take: %v", args, packed, err)
		}
		again, err := pack.CallInternal(nil, append(starlark.Tuple{args[0]}, got.(starlark.Tuple)...), nil)
		if err != nil || again != packed {
			t.Fatalf("pack%v is %v, unpacked %v, packed again %v, %v", args, packed, got, again, err)
		}
	})
}
