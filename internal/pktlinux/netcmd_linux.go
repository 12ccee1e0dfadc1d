package pktlinux

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"fivetuple/scenarios/packetdrill"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// This file has the commands about the network: ip, tc, ethtool, and what reads
// the kernel's counters.

// ip does "ip route change" and what empties caches, which are empty.
func (t *Target) ip(l packetdrill.ShellLine) (string, error) {
	words := slices.DeleteFunc(slices.Clone(l.Words[1:]), func(w string) bool { return w == "-6" || w == "-4" })
	text := strings.Join(words, " ")
	switch {
	case strings.HasPrefix(text, "tcp_metrics flush"):
		return "", t.flushMetrics()
	case len(words) > 2 && words[0] == "route" && (words[1] == "change" || words[1] == "replace" || words[1] == "add"):
		return "", t.changeRoute(words[2], words[3:])
	}
	return "", missing("ip "+strings.Join(words[:min(2, len(words))], " "), "ip %s is not mapped", text)
}

// flushMetrics forgets what the namespace remembers of peers: ip-tcp_metrics(8).
func (t *Target) flushMetrics() error {
	f, err := netlink.GenlFamilyGet("tcp_metrics")
	if err != nil {
		return nil // without the family there is nothing to forget
	}
	const del, version = 2, 1 // TCP_METRICS_CMD_DEL, TCP_METRICS_GENL_VERSION
	req := nl.NewNetlinkRequest(int(f.ID), unix.NLM_F_ACK)
	req.AddData(&nl.Genlmsg{Command: del, Version: version})
	_, err = req.Execute(unix.NETLINK_GENERIC, 0)
	if err != nil {
		return fmt.Errorf("ip tcp_metrics flush: %w", err)
	}
	return nil
}

// changeRoute is "ip route change DST via GW dev tun0 advmss N mtu lock N initcwnd N".
func (t *Target) changeRoute(dst string, words []string) error {
	to, err := netip.ParseAddr(dst)
	if err != nil {
		return fmt.Errorf("ip route: %w", err)
	}
	device, err := link()
	if err != nil {
		return err
	}
	r := &netlink.Route{LinkIndex: device.Attrs().Index, Dst: netlink.NewIPNet(to.AsSlice())}
	numbers := map[string]*int{"advmss": &r.AdvMSS, "mtu": &r.MTU, "initcwnd": &r.InitCwnd, "initrwnd": &r.InitRwnd, "rto_min": &r.RtoMin,
		"window": &r.Window, "ssthresh": &r.Ssthresh, "cwnd": &r.Cwnd, "reordering": &r.Reordering}
	for i := 0; i < len(words); i++ {
		name, value := words[i], ""
		if i++; i < len(words) {
			value = words[i]
		}
		if name == "mtu" && value == "lock" && i+1 < len(words) {
			i++
			r.MTULock, value = true, words[i]
		}
		switch {
		case name == "dev" && value == deviceName:
		case name == "via":
			gw, err := netip.ParseAddr(value)
			if err != nil {
				return fmt.Errorf("ip route: %w", err)
			}
			r.Gw, r.Flags = gw.AsSlice(), int(netlink.FLAG_ONLINK)
		case numbers[name] != nil:
			if *numbers[name], err = strconv.Atoi(value); err != nil {
				return fmt.Errorf("ip route: %s %q: need a number", name, value)
			}
		default:
			return missing("ip route", "%s %s is not mapped", name, value)
		}
	}
	if err := netlink.RouteReplace(r); err != nil {
		return fmt.Errorf("ip route: %w", err)
	}
	return nil
}

// tc sets the device's queue: "tc qdisc add|replace|delete dev tun0 root [KIND [limit N]]".
func (t *Target) tc(l packetdrill.ShellLine) (string, error) {
	words := l.Words[1:]
	at := slices.Index(words, "root")
	if len(words) < 2 || words[0] != "qdisc" || at < 0 {
		return "", missing("tc", "%s is not mapped", strings.Join(l.Words, " "))
	}
	rest := words[at+1:]
	switch {
	case words[1] == "delete" || words[1] == "del" || len(rest) == 0:
		return "", t.queue("pfifo", -1)
	case len(rest) == 1:
		return "", t.queue(rest[0], -1)
	case len(rest) == 3 && rest[1] == "limit":
		n, err := strconv.Atoi(rest[2])
		if err == nil && n >= 0 {
			return "", t.queue(rest[0], n)
		}
	}
	return "", missing("tc", "%s is not mapped", strings.Join(l.Words, " "))
}

// queue makes the device's root queue one of a kind; a limit below 0 is the
// kind's own.
func (t *Target) queue(kind string, limit int) error {
	device, err := link()
	if err != nil {
		return err
	}
	req := nl.NewNetlinkRequest(unix.RTM_NEWQDISC, unix.NLM_F_CREATE|unix.NLM_F_REPLACE|unix.NLM_F_ACK)
	req.AddData(&nl.TcMsg{Family: nl.FAMILY_ALL, Ifindex: int32(device.Attrs().Index), Parent: netlink.HANDLE_ROOT})
	req.AddData(nl.NewRtAttr(nl.TCA_KIND, nl.ZeroTerminated(kind)))
	if limit >= 0 {
		req.AddData(nl.NewRtAttr(nl.TCA_OPTIONS, word(limit)))
	}
	_, err = req.Execute(unix.NETLINK_ROUTE, 0)
	if errors.Is(err, unix.ENOENT) {
		return missing("sch_"+kind, "this kernel has no queue %s", kind)
	}
	if err != nil {
		return fmt.Errorf("tc qdisc %s: %w", kind, err)
	}
	return nil
}

// ethtoolNames are the switches of "ethtool -K" that are mapped:
// ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO of <linux/ethtool.h>.
var ethtoolNames = map[string]uint32{"tso": 0x1f, "gso": 0x24, "gro": 0x2c}

// ethtool does "ethtool -K tun0 NAME on|off ...".
func (t *Target) ethtool(l packetdrill.ShellLine) (string, error) {
	words := l.Words[1:]
	if len(words) < 4 || words[0] != "-K" || words[1] != deviceName || len(words)%2 != 0 {
		return "", missing("ethtool", "%s is not mapped", strings.Join(l.Words, " "))
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	for i := 2; i < len(words); i += 2 {
		num, ok := ethtoolNames[words[i]]
		if !ok {
			return "", missing("ethtool", "ethtool -K %s is not mapped", words[i])
		}
		value := [2]uint32{num, 0}
		if words[i+1] == "on" {
			value[1] = 1
		}
		var req struct { // struct ifreq with ifr_data
			name [unix.IFNAMSIZ]byte
			data unsafe.Pointer
			_    [16]byte
		}
		copy(req.name[:], deviceName)
		req.data = unsafe.Pointer(&value)
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req))); errno != 0 {
			return "", fmt.Errorf("ethtool -K %s: %w", words[i], errno)
		}
	}
	return "", nil
}

// nstat reads the counters of the namespace; the lines that grep then sees are
// those that have changed since the last time.
func (t *Target) nstat(packetdrill.ShellLine) (string, error) {
	b, err := os.ReadFile("/proc/thread-self/net/netstat")
	if err != nil {
		return "", err
	}
	last := t.counts
	t.counts, t.lines = make(map[string]uint64), nil
	rows := strings.Split(strings.TrimSpace(string(b)), "\n")
	for i := 0; i+1 < len(rows); i += 2 {
		names, values := strings.Fields(rows[i]), strings.Fields(rows[i+1])
		for j := 1; j < len(names) && j < len(values); j++ {
			name := strings.TrimSuffix(names[0], ":") + names[j]
			n, _ := strconv.ParseUint(values[j], 10, 64)
			if t.counts[name] = n; n != last[name] {
				t.lines = append(t.lines, fmt.Sprintf("%s %d", name, n-last[name]))
			}
		}
	}
	return "", nil
}

// grep looks for a fixed text in files of /proc/net, or in what the command
// before it has written. Nothing found is a failure, as for grep.
func (t *Target) grep(l packetdrill.ShellLine) (string, error) {
	words := l.Words[1:]
	if len(words) == 0 || strings.HasPrefix(words[0], "-") || strings.ContainsAny(words[0], `.*[]^$\+?`) {
		return "", missing("grep", "%s: only a fixed text is mapped", strings.Join(l.Words, " "))
	}
	lines := t.lines
	if len(words) > 1 {
		lines = nil
	}
	for _, file := range words[1:] {
		name, ok := strings.CutPrefix(path.Clean(file), "/proc/net/")
		if !ok {
			return "", missing("grep", "%s: only files of /proc/net are read", file)
		}
		b, err := os.ReadFile("/proc/thread-self/net/" + name)
		if err != nil {
			return "", err
		}
		lines = append(lines, strings.Split(string(b), "\n")...)
	}
	t.lines = slices.DeleteFunc(lines, func(s string) bool { return !strings.Contains(s, words[0]) })
	if len(t.lines) == 0 {
		return "", fmt.Errorf("grep finds no %q", words[0])
	}
	return "", nil
}
