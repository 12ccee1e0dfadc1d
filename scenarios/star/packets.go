package star

import (
	"fmt"
	"slices"
	"strings"

	"fivetuple/internal/spell"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// packetsFn is packets(src, dst, proto, port, flags, forwarded): the packets that were
// sent so far, with the fields that expect.packets does not show.
func (r *runner) packetsFn(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var f packetFilter
	flags := ""
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "src?", &f.src, "dst?", &f.dst, "proto?", &f.proto,
		"port?", &f.port, "flags?", &flags, "forwarded?", &f.forwarded); err != nil {
		return nil, err
	}
	found, err := r.packets(&f)
	if err != nil {
		return nil, fmt.Errorf("packets: %w", err)
	}
	var out []starlark.Value
	for _, p := range found {
		if flags == "" || flags == p.sum.Flags {
			out = append(out, packetStruct(p))
		}
	}
	return starlark.NewList(out), nil
}

// packets lists the packets that a filter chooses.
func (r *runner) packets(f *packetFilter) ([]packet, error) {
	if err := f.check(r); err != nil {
		return nil, err
	}
	var out []packet
	for _, p := range r.rec.packets {
		if f.matches(p) {
			out = append(out, p)
		}
	}
	return out, nil
}

// protocols are the words for a packet's protocol.
var protocols = []string{"tcp", "udp", "icmp", "icmpv6", "arp", "ipv4", "ipv6", "eth"}

// check refuses a host or a protocol that does not exist: it would never match,
// and expecting that there are no such packets would prove nothing.
func (f *packetFilter) check(r *runner) error {
	if f.proto != "" && !slices.Contains(protocols, f.proto) {
		return fmt.Errorf("no protocol is called %q%s; there are %s", f.proto,
			spell.Hint(f.proto, protocols), strings.Join(protocols, ", "))
	}
	if r.cfg.World != nil {
		return nil // a live world has peers that are no hosts of ours
	}
	var hosts []string
	for _, h := range r.world.Hosts() {
		hosts = append(hosts, h.Name())
	}
	for _, name := range []string{f.src, f.dst} {
		if name != "" && !slices.Contains(hosts, name) {
			return fmt.Errorf("no host is called %q%s", name, spell.Hint(name, hosts))
		}
	}
	return nil
}

func packetStruct(p packet) starlark.Value {
	s := &p.sum
	return starlarkstruct.FromStringDict(starlark.String("packet"), starlark.StringDict{
		"time": startime.Duration(p.at), "src": starlark.String(p.from), "dst": starlark.String(p.to), "link": starlark.String(p.link),
		"src_port": starlark.MakeInt(int(s.Src.Port())), "dst_port": starlark.MakeInt(int(s.Dst.Port())),
		"proto": starlark.String(s.Proto), "ttl": starlark.MakeInt(p.ttl), "text": starlark.String(s.Text),
		"flags": starlark.String(s.Flags), "seq": starlark.MakeUint64(uint64(s.Seq)), "ack": starlark.MakeUint64(uint64(s.Ack)),
		"len": starlark.MakeInt(s.Len), "win": starlark.MakeUint64(uint64(s.Win)), "opts": starlark.String(s.Opts),
		"sack": sackBlocks(s.SACK), "dropped": starlark.Bool(p.dropped), "retransmit": starlark.Bool(p.re),
	})
}

// sackBlocks writes SACK blocks as packetdrill does: ["1001:2001"].
func sackBlocks(blocks [][2]uint32) *starlark.List {
	var out []string
	for _, b := range blocks {
		out = append(out, fmt.Sprintf("%d:%d", b[0], b[1]))
	}
	return list(out)
}

// hopLimit is the TTL or hop limit of a packet as it is on the wire.
func hopLimit(data []byte, ethernet bool) int {
	if ethernet {
		data = data[min(14, len(data)):]
	}
	switch {
	case len(data) >= 20 && data[0]>>4 == 4:
		return int(data[8])
	case len(data) >= 40 && data[0]>>4 == 6:
		return int(data[7])
	}
	return 0
}
