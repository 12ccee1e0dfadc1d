package packetdrill

import (
	"strconv"
	"strings"
	"time"

	"fivetuple/stack"
)

// hostState is what the sysctls of a script say of the host.
type hostState struct {
	tcp          stack.TCPConfig
	values       map[string]string
	noTimestamps bool
	notsentLowat uint32
}

func (h *hostState) init() { h.values = make(map[string]string) }

// sysctlRow is one sysctl of Linux: what it is here.
type sysctlRow struct {
	// set maps the numbers to a setting; its result is why it cannot be, or "".
	// A row without it changes nothing, for the reason why.
	set func(h *hostState, n []int64) string
	why string
	// late: it may be set while the script runs.
	late bool
}

// table: one row a sysctl, without "net.ipv4.".
var sysctlTable = map[string]sysctlRow{
	"tcp_rmem":              {set: func(h *hostState, n []int64) string { return setBuffer(&h.tcp.RcvBuf, n) }},
	"tcp_wmem":              {set: func(h *hostState, n []int64) string { return setBuffer(&h.tcp.SndBuf, n) }},
	"tcp_sack":              {set: func(h *hostState, n []int64) string { h.tcp.NoSACK = n[0] == 0; return "" }},
	"tcp_recovery":          {set: func(h *hostState, n []int64) string { h.tcp.NoRACK = n[0]&1 == 0; return "" }},
	"tcp_early_retrans":     {set: func(h *hostState, n []int64) string { h.tcp.NoRACK = h.tcp.NoRACK || n[0] == 0; return "" }},
	"tcp_syn_retries":       {set: setSynRetries},
	"tcp_retries2":          {set: func(h *hostState, n []int64) string { h.tcp.MaxRetries = uint64(max(n[0], 1)); return "" }},
	"tcp_rto_min_us":        {set: func(h *hostState, n []int64) string { h.tcp.MinRTO = time.Duration(n[0]) * time.Microsecond; return "" }},
	"tcp_rto_max_ms":        {set: func(h *hostState, n []int64) string { h.tcp.MaxRTO = time.Duration(n[0]) * time.Millisecond; return "" }},
	"tcp_fin_timeout":       {set: func(h *hostState, n []int64) string { h.tcp.FinTimeout = time.Duration(n[0]) * time.Second; return "" }},
	"tcp_moderate_rcvbuf":   {set: func(h *hostState, n []int64) string { h.tcp.NoModerateRcvBuf = n[0] == 0; return "" }},
	"tcp_syncookies":        {set: func(h *hostState, n []int64) string { h.tcp.SynCookies = n[0] == 2; return "" }},
	"tcp_timestamps":        {set: func(h *hostState, n []int64) string { h.noTimestamps = n[0] == 0; return "" }, late: true},
	"tcp_ecn":               {set: only(0, "netstack does not negotiate ECN"), late: true},
	"tcp_mtu_probing":       {set: only(0, "netstack does not probe the path's MTU"), late: true},
	"tcp_reordering":        {set: only(3, "netstack's threshold is 3"), late: true},
	"tcp_shrink_window":     {set: only(0, "netstack does not shrink windows"), late: true},
	"tcp_abort_on_overflow": {set: only(0, "netstack does not reset what its backlog cannot take"), late: true},
	"tcp_notsent_lowat":     {set: func(h *hostState, n []int64) string { h.notsentLowat = uint32(n[0]); return "" }, late: true},
	"tcp_window_scaling":    {set: only(1, "netstack always offers window scaling"), late: true},

	"tcp_slow_start_after_idle":          {why: "netstack's window starts again after an idle RTO", late: true},
	"tcp_dsack":                          {why: "netstack sends no duplicate SACKs", late: true},
	"tcp_fastopen":                       {why: "what needs Fast Open is unsupported where it does", late: true},
	"tcp_fastopen_blackhole_timeout_sec": {why: "what needs Fast Open is unsupported where it does", late: true},
	"tcp_base_mss":                       {why: "netstack does not probe the path's MTU", late: true},
	"tcp_probe_threshold":                {why: "netstack does not probe the path's MTU", late: true},
	"tcp_probe_interval":                 {why: "netstack does not probe the path's MTU", late: true},
	"tcp_min_snd_mss":                    {why: "netstack has its own limit", late: true},
	"tcp_syn_linear_timeouts":            {why: "netstack always backs off exponentially", late: true},
	"tcp_comp_sack_nr":                   {why: "netstack never delays acknowledgments", late: true},
	"tcp_fastopen_key":                   {why: "what needs Fast Open is unsupported where it does", late: true},
	"tcp_synack_retries":                 {why: "netstack has its own limit", late: true},
	"tcp_ecn_option":                     {why: "there is no Accurate ECN", late: true},
	"tcp_frto":                           {why: "netstack has no F-RTO", late: true},
	"tcp_fack":                           {why: "Linux ignores it too", late: true},
	"tcp_min_tso_segs":                   {why: "the host sends single segments", late: true},
	"tcp_tso_win_divisor":                {why: "the host sends single segments", late: true},
	"tcp_pacing_ss_ratio":                {why: "netstack does not pace", late: true},
	"tcp_pacing_ca_ratio":                {why: "netstack does not pace", late: true},
	"tcp_no_metrics_save":                {why: "netstack saves no metrics", late: true},
	"tcp_invalid_ratelimit":              {why: "netstack has its own rate", late: true},
	"tcp_limit_output_bytes":             {why: "a link's queue takes any number of bytes", late: true},
	"tcp_autocorking":                    {why: "netstack does not cork of its own accord", late: true},
	"tcp_retrans_collapse":               {why: "netstack does not join segments", late: true},
	"tcp_adv_win_scale":                  {why: "netstack's windows have no overhead", late: true},
	"tcp_app_win":                        {why: "netstack's windows have no overhead", late: true},
	"tcp_max_syn_backlog":                {why: "listen's backlog is the limit", late: true},
	"ip_local_port_range":                {why: "the script knows no port", late: true},
}

// defaultSysctls is what google's corpus sets before nearly every script.
func (r *runner) defaultSysctls(l ShellLine, first bool) {
	for _, kv := range [][2]string{
		{"tcp_rmem", "4096 540000 15728640"}, {"tcp_wmem", "4096 262144 4194304"}, {"tcp_timestamps", "1"},
		{"tcp_syn_retries", "5"}, {"tcp_sack", "1"}, {"tcp_congestion_control", "cubic"}, {"tcp_recovery", "1"},
	} {
		r.sysctl(l, kv[0], kv[1], first)
	}
}

// sysctls takes "name=value" words; flags say how loud sysctl is.
func (r *runner) sysctls(l ShellLine, first bool) {
	for _, w := range l.Words[1:] {
		name, v, ok := strings.Cut(w, "=")
		if strings.HasPrefix(w, "-") {
			continue
		}
		if !ok {
			panic(problem(Dialect, l.Line, "%s %s: need name=value", l.Words[0], w))
		}
		r.sysctl(l, name, v, first)
	}
}

func (r *runner) sysctl(l ShellLine, name, v string, first bool) {
	name = strings.TrimPrefix(name, "/proc/sys/")
	name = strings.ReplaceAll(name, "/", ".")
	name = strings.TrimPrefix(strings.TrimPrefix(name, "net.ipv4."), "net.ipv6.")
	v = strings.Join(strings.Fields(v), " ")
	if name == "tcp_congestion_control" {
		if v != "cubic" && v != "reno" {
			panic(unsupported(l.Line, "congestion control "+v, "netstack has cubic and reno"))
		}
		r.host.change(l, name, v, first, func() { r.host.tcp.Congestion = v })
		return
	}
	if name == "tcp_notsent_lowat" {
		r.note("sysctl " + name + ": played by the runner, not by netstack")
	}
	row, ok := sysctlTable[name]
	if !ok {
		panic(problem(Dialect, l.Line, "sysctl %s is not known", name))
	}
	if row.set == nil {
		r.note("sysctl " + name + "=" + v + ": " + row.why)
		return
	}
	var n []int64
	for _, f := range strings.Fields(v) {
		k, err := strconv.ParseInt(f, 0, 64)
		if err != nil {
			panic(problem(Dialect, l.Line, "sysctl %s=%s: need numbers", name, v))
		}
		n = append(n, k)
	}
	if len(n) == 0 {
		panic(problem(Dialect, l.Line, "sysctl %s needs a value", name))
	}
	r.host.change(l, name, v, first || row.late, func() {
		if why := row.set(&r.host, n); why != "" {
			r.doubtful("sysctl "+name+"="+v, "%s", why)
		}
	})
}

// change sets a value, which after the start must be the one that holds.
func (h *hostState) change(l ShellLine, name, v string, may bool, set func()) {
	if !may && h.values[name] != v {
		panic(unsupported(l.Line, "sysctl "+name+"="+v, "it is set after the host has started"))
	}
	h.values[name] = v
	set()
}

func setBuffer(b *stack.BufferRange, n []int64) string {
	if len(n) != 3 {
		return "need three sizes"
	}
	*b = stack.BufferRange{Min: int(n[0]), Default: int(n[1]), Max: int(max(n[1], n[2]))}
	return ""
}

func setSynRetries(h *hostState, n []int64) string {
	if n[0] < 1 || n[0] > stack.MaxSynRetries {
		return "netstack sends a SYN again 1 to " + strconv.Itoa(stack.MaxSynRetries) + " times"
	}
	h.tcp.SynRetries = uint8(n[0])
	return ""
}

// only accepts the one value that netstack has.
func only(have int64, why string) func(*hostState, []int64) string {
	return func(_ *hostState, n []int64) string {
		if n[0] != have {
			return why
		}
		return ""
	}
}
