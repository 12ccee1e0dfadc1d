package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"fivetuple/sim"
	"fivetuple/stack"
)

// setting is one of the options that a lab's host has, as sysctl(8) of the
// namespace that takes its place.
type setting struct {
	Option string // host's word in a script, "min_rto"
	Key    string // below /proc/sys/net, "ipv4/tcp_rto_min_us"
	Value  string
}

// settingsOf are the options of a host that a script sets, for Linux: a program that
// takes the host's place finds what the script says. The error names an option that
// Linux lacks.
func settingsOf(cfg *sim.HostConfig) (out []setting, err error) {
	add := func(set bool, option, value string, keys ...string) {
		for _, key := range keys {
			if set {
				out = append(out, setting{option, key, value})
			}
		}
	}
	t := &cfg.TCP
	if t.TimeWait != 0 && t.TimeWait != linuxTimeWait {
		return nil, usagef("host %s: a real host has no time_wait: Linux's lasts %v, and cannot be set; leave it out, or simulate the host", cfg.Name, linuxTimeWait)
	}
	for _, d := range []struct {
		option   string
		is, unit time.Duration
	}{{"min_rto", t.MinRTO, time.Microsecond}, {"max_rto", t.MaxRTO, time.Millisecond}, {"fin_timeout", t.FinTimeout, time.Second}} {
		if d.is%d.unit != 0 {
			return nil, usagef("host %s: %s = %v: a real host counts it in units of %v", cfg.Name, d.option, d.is, d.unit)
		}
	}
	add(cfg.Forwarding, "forwarding", "1", "ipv4/ip_forward", "ipv6/conf/all/forwarding")
	add(t.Congestion != "", "congestion_control", t.Congestion, "ipv4/tcp_congestion_control")
	add(t.NoSACK, "sack", "0", "ipv4/tcp_sack")
	add(t.NoRACK, "rack", "0", "ipv4/tcp_recovery")
	add(t.MinRTO != 0, "min_rto", count(t.MinRTO, time.Microsecond), "ipv4/tcp_rto_min_us")
	add(t.MaxRTO != 0, "max_rto", count(t.MaxRTO, time.Millisecond), "ipv4/tcp_rto_max_ms")
	add(t.FinTimeout != 0, "fin_timeout", count(t.FinTimeout, time.Second), "ipv4/tcp_fin_timeout")
	add(t.SynRetries != 0, "syn_retries", strconv.Itoa(int(t.SynRetries)), "ipv4/tcp_syn_retries")
	add(t.MaxRetries != 0, "retries", strconv.FormatUint(t.MaxRetries, 10), "ipv4/tcp_retries2")
	add(t.RcvBuf != stack.BufferRange{}, "rmem", threeSizes(t.RcvBuf), "ipv4/tcp_rmem")
	add(t.SndBuf != stack.BufferRange{}, "wmem", threeSizes(t.SndBuf), "ipv4/tcp_wmem")
	add(t.SynCookies, "syncookies", "2", "ipv4/tcp_syncookies")
	add(cfg.EphemeralFirst != 0, "local_port_range", fmt.Sprint(cfg.EphemeralFirst, cfg.EphemeralLast), "ipv4/ip_local_port_range")
	return out, nil
}

// linuxTimeWait is TCP_TIMEWAIT_LEN.
const linuxTimeWait = 60 * time.Second

func count(d, unit time.Duration) string { return strconv.FormatInt(int64(d/unit), 10) }

func threeSizes(r stack.BufferRange) string { return fmt.Sprint(r.Min, r.Default, r.Max) }

// set writes a setting of the namespace, and reads it back: Linux takes some values
// and uses others.
func (s *setting) set() error {
	path := "/proc/sys/net/" + s.Key
	name := "net." + strings.ReplaceAll(s.Key, "/", ".")
	err := os.WriteFile(path, []byte(s.Value), 0)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !exists(path):
		return fmt.Errorf("%s: this kernel has no %s; leave the option out, or simulate the host", s.Option, name)
	case errors.Is(err, fs.ErrNotExist): // there is one setting that names something
		have, _ := os.ReadFile("/proc/sys/net/ipv4/tcp_available_congestion_control")
		return fmt.Errorf("%s: this kernel has no %q; it has %s", s.Option, s.Value, strings.Join(strings.Fields(string(have)), ", "))
	case err != nil:
		return fmt.Errorf("%s: %s = %s: %w", s.Option, name, s.Value, errors.Unwrap(err))
	}
	is, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%s: %w", s.Option, err)
	}
	if got := strings.Join(strings.Fields(string(is)), " "); got != s.Value {
		return fmt.Errorf("%s: %s = %s: Linux makes %s of it", s.Option, name, s.Value, got)
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
