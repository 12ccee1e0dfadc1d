package pktlinux

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"fivetuple/scenarios/packetdrill"

	"golang.org/x/sys/unix"
)

// writeSysctl sets a sysctl of the calling thread's namespace: what is not a
// namespace's own is not there to be written. name is a path below /proc/sys.
func writeSysctl(name, value string) error {
	f, err := os.OpenFile("/proc/sys/"+name, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// defaultSysctls is what google's corpus sets before nearly every script.
//
// table: one row a sysctl, without "net.ipv4.".
var defaultSysctls = [][2]string{
	{"tcp_rmem", "4096 540000 15728640"}, {"tcp_wmem", "4096 262144 4194304"}, {"tcp_timestamps", "1"}, {"tcp_syn_retries", "5"},
	{"tcp_synack_retries", "5"}, {"tcp_frto", "2"}, {"tcp_sack", "1"}, {"tcp_dsack", "1"}, {"tcp_fack", "0"}, {"tcp_reordering", "3"},
	{"tcp_congestion_control", "cubic"}, {"tcp_slow_start_after_idle", "0"}, {"tcp_early_retrans", "4"}, {"tcp_recovery", "1"},
	{"tcp_tso_win_divisor", "3"}, {"tcp_ecn", "0"}, {"tcp_ecn_option", "2"}, {"tcp_pacing_ss_ratio", "200"}, {"tcp_pacing_ca_ratio", "120"},
	{"tcp_notsent_lowat", "4294967295"}, {"tcp_fastopen", "0x70403"}, {"tcp_fastopen_key", "a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4"},
	{"tcp_syncookies", "1"},
}

// defaults sets them; one that this kernel does not have is noted.
func (t *Target) defaults(packetdrill.ShellLine) (string, error) {
	var notes []string
	for _, kv := range defaultSysctls {
		note, err := t.sysctl("net/ipv4/"+kv[0], kv[1])
		if err != nil {
			return "", err
		}
		if note != "" {
			notes = append(notes, note)
		}
	}
	return strings.Join(notes, "; "), nil
}

// sysctls takes "name=value" words; flags say how loud sysctl is.
func (t *Target) sysctls(l packetdrill.ShellLine) (string, error) {
	var notes []string
	for _, w := range l.Words[1:] {
		name, v, ok := strings.Cut(w, "=")
		if strings.HasPrefix(w, "-") {
			continue
		}
		if !ok {
			return "", fmt.Errorf("%s %s: need name=value", l.Words[0], w)
		}
		note, err := t.sysctl(name, v)
		if err != nil {
			return "", err
		}
		if note != "" {
			notes = append(notes, note)
		}
	}
	return strings.Join(notes, "; "), nil
}

// sysctl sets one. A shell goes on after a sysctl that the kernel does not have
// or refuses, so that is a note; no more than the network's may be set at all.
func (t *Target) sysctl(name, v string) (string, error) {
	name = strings.TrimPrefix(name, "/proc/sys/")
	if !strings.Contains(name, "/") {
		name = strings.ReplaceAll(name, ".", "/")
	}
	if name = path.Clean(name); !strings.HasPrefix(name, "net/") {
		return "", missing("sysctl "+name, "only sysctls of the network are a namespace's own")
	}
	v = strings.Join(strings.Fields(v), " ")
	if name == "net/ipv4/tcp_congestion_control" {
		return t.congestion(name, v)
	}
	err := writeSysctl(name, v)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "sysctl " + name + ": this kernel has none in a namespace", nil
	case err != nil:
		return fmt.Sprintf("sysctl %s=%s: %v", name, v, err), nil
	}
	return "", nil
}

// congestion sets the congestion control of the namespace. One that
// net.ipv4.tcp_allowed_congestion_control, which is the whole machine's, does
// not list cannot be a namespace's: then each socket gets it by option, as
// CAP_NET_ADMIN may.
func (t *Target) congestion(name, v string) (string, error) {
	t.cc = ""
	err := writeSysctl(name, v)
	if err == nil {
		return "", nil
	}
	known, _ := os.ReadFile("/proc/sys/net/ipv4/tcp_available_congestion_control")
	if !slices.Contains(strings.Fields(string(known)), v) && !t.mayUse(v) {
		return "", missing("congestion control "+v, "the kernel has %s: modprobe tcp_%s may help", strings.TrimSpace(string(known)), v)
	}
	t.cc = v
	return "congestion control " + v + " is set for each socket: net.ipv4.tcp_allowed_congestion_control does not let a namespace have it", nil
}

// mayUse tries a congestion control on a socket.
func (t *Target) mayUse(cc string) bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, cc) == nil
}
