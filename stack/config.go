package stack

import (
	"errors"
	"fmt"
	"time"

	"fivetuple/trace"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// Config describes a host's stack. The zero value of each field but Clock is a
// usable default.
type Config struct {
	// Name is the host's name; with Seed it decides every random number.
	Name string
	Seed uint64
	// Clock is the time the stack lives in. Required.
	Clock Clock
	// Epoch is the wall-clock time at Clock zero. The zero value means [Epoch].
	Epoch time.Time
	// Bus receives state changes. Nil means nobody listens.
	Bus *trace.Bus
	// Forwarding makes the host a router for IPv4 and IPv6.
	Forwarding bool
	// Gateway allows [Interface.Divert]. Such a host reaches itself at loopback
	// addresses only: netstack can either take packets for all addresses, or
	// keep those for its own inside (HandleLocal).
	Gateway bool
	// TCP holds the settings of TCP. The zero value means [DefaultTCP].
	TCP TCPConfig
	// EphemeralFirst and EphemeralLast bound the ports that the stack chooses
	// itself. Zero means netstack's range, 16000 to 65535 (Linux: 32768 to
	// 60999, ip_local_port_range).
	EphemeralFirst, EphemeralLast uint16
}

// Epoch is the wall-clock time at which virtual time starts, unless a Config
// says otherwise: midnight UTC on 1 January 2000.
var Epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// MaxSynRetries is how often netstack sends a SYN again: until its timeout,
// which starts at 1 s and doubles, would exceed 120 s.
const MaxSynRetries = 6

// TCPConfig holds the settings of TCP that netstack lets a host choose. A zero
// field keeps the default. The Linux sysctl that it corresponds to is named.
type TCPConfig struct {
	// Congestion is "cubic" or "reno" (tcp_congestion_control). Default cubic.
	Congestion string
	// NoSACK turns selective acknowledgments off (tcp_sack = 0, RFC 2018).
	NoSACK bool
	// NoRACK turns RACK-TLP loss detection off (tcp_recovery = 0, RFC 8985).
	NoRACK bool
	// RcvBuf and SndBuf are buffer sizes in bytes (tcp_rmem, tcp_wmem).
	// Defaults: netstack's 4 KiB, 1 MiB, 4 MiB.
	RcvBuf, SndBuf BufferRange
	// NoModerateRcvBuf turns receive buffer auto-tuning off
	// (tcp_moderate_rcvbuf = 0).
	NoModerateRcvBuf bool
	// MinRTO and MaxRTO bound the retransmission timeout (tcp_rto_min_us,
	// tcp_rto_max_ms; RFC 6298). Defaults: 200 ms and 120 s.
	MinRTO, MaxRTO time.Duration
	// SynRetries is how often a SYN is sent again before connect fails with
	// ETIMEDOUT (tcp_syn_retries), 1 to [MaxSynRetries]. Default 6. netstack
	// keeps the number and does not look at it: sockapi does.
	SynRetries uint8
	// MaxRetries is how often a segment is sent again before the connection
	// fails with ETIMEDOUT (tcp_retries2). Default 15.
	MaxRetries uint64
	// TimeWait is how long a connection stays in TIME-WAIT; default 60 s, as
	// in Linux (RFC 9293 asks for twice the maximum segment lifetime).
	TimeWait time.Duration
	// FinTimeout is how long an orphan stays in FIN-WAIT-2
	// (tcp_fin_timeout). Default 60 s.
	FinTimeout time.Duration
	// SynCookies answers every SYN with a cookie (tcp_syncookies = 2).
	SynCookies bool
}

// BufferRange is a buffer's smallest, initial and largest size in bytes. The
// zero value means the default.
type BufferRange struct{ Min, Default, Max int }

// check returns an error that names the first impossible setting.
func (c *TCPConfig) check() error {
	switch c.Congestion {
	case "", "cubic", "reno":
	default:
		return fmt.Errorf("congestion control %q: netstack has cubic and reno", c.Congestion)
	}
	for _, b := range []struct {
		name string
		r    BufferRange
	}{{"receive", c.RcvBuf}, {"send", c.SndBuf}} {
		if b.r != (BufferRange{}) && (b.r.Min <= 0 || b.r.Default < b.r.Min || b.r.Max < b.r.Default) {
			return fmt.Errorf("%s buffer %d/%d/%d: need 0 < min ≤ default ≤ max", b.name, b.r.Min, b.r.Default, b.r.Max)
		}
	}
	if c.SynRetries > MaxSynRetries {
		return fmt.Errorf("SYN retries %d: netstack gives up after %d", c.SynRetries, MaxSynRetries)
	}
	if c.MinRTO < 0 || c.MaxRTO < 0 || (c.MinRTO > 0 && c.MaxRTO > 0 && c.MaxRTO < c.MinRTO) {
		return fmt.Errorf("RTO bounds %v to %v: need 0 ≤ min ≤ max", c.MinRTO, c.MaxRTO)
	}
	if c.TimeWait < 0 || c.FinTimeout < 0 {
		return errors.New("time-wait and fin-timeout cannot be negative")
	}
	return nil
}

// apply sets what differs from netstack's defaults.
func (c *TCPConfig) apply(s *Stack) error {
	if err := c.check(); err != nil {
		return err
	}
	cc := tcpip.CongestionControlOption(c.Congestion)
	if cc == "" {
		cc = "cubic"
	}
	// Nagle's algorithm is on unless TCP_NODELAY is set, as on Linux.
	nagle := tcpip.TCPDelayEnabled(true)
	sack := tcpip.TCPSACKEnabled(!c.NoSACK)
	moderate := tcpip.TCPModerateReceiveBufferOption(!c.NoModerateRcvBuf)
	cookies := tcpip.TCPAlwaysUseSynCookies(c.SynCookies)
	opts := []tcpip.SettableTransportProtocolOption{&cc, &nagle, &sack, &moderate, &cookies}
	if c.NoRACK {
		o := tcpip.TCPRecovery(0)
		opts = append(opts, &o)
	}
	if r := c.RcvBuf; r != (BufferRange{}) {
		opts = append(opts, &tcpip.TCPReceiveBufferSizeRangeOption{Min: r.Min, Default: r.Default, Max: r.Max})
	}
	if r := c.SndBuf; r != (BufferRange{}) {
		opts = append(opts, &tcpip.TCPSendBufferSizeRangeOption{Min: r.Min, Default: r.Default, Max: r.Max})
	}
	opts = append(opts, c.timers()...)
	for _, o := range opts {
		if err := s.net.SetTransportProtocolOption(tcp.ProtocolNumber, o); err != nil {
			return fmt.Errorf("set %T: %s", o, err)
		}
	}
	return nil
}

// timers lists the options that set times and counts.
func (c *TCPConfig) timers() []tcpip.SettableTransportProtocolOption {
	var opts []tcpip.SettableTransportProtocolOption
	// The maximum first: the minimum is checked against it.
	if c.MaxRTO > 0 {
		o := tcpip.TCPMaxRTOOption(c.MaxRTO)
		opts = append(opts, &o)
	}
	if c.MinRTO > 0 {
		o := tcpip.TCPMinRTOOption(c.MinRTO)
		opts = append(opts, &o)
	}
	if c.SynRetries > 0 {
		o := tcpip.TCPSynRetriesOption(c.SynRetries)
		opts = append(opts, &o)
	}
	if c.MaxRetries > 0 {
		o := tcpip.TCPMaxRetriesOption(c.MaxRetries)
		opts = append(opts, &o)
	}
	if c.TimeWait > 0 {
		o := tcpip.TCPTimeWaitTimeoutOption(c.TimeWait)
		opts = append(opts, &o)
	}
	if c.FinTimeout > 0 {
		o := tcpip.TCPLingerTimeoutOption(c.FinTimeout)
		opts = append(opts, &o)
	}
	return opts
}
