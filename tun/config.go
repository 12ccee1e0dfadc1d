package tun

import (
	"fmt"
	"slices"
	"time"
)

// Limits of [Config].
const (
	// DefaultMTU is the MTU in bytes of a device whose Config names none.
	DefaultMTU = 1500

	// MinMTU is the smallest datagram that every IPv4 host must accept (RFC 791 section 3.1).
	MinMTU = 576

	// MaxMTU is IPv4's limit of 65535 less an Ethernet header, rounded down to a multiple of 4, so that
	// packets can cross an Ethernet-like link too.
	MaxMTU = 65520

	// FrameHeader is the room in bytes that a frame's header takes beyond the MTU: Ethernet's 14 and one
	// tag of IEEE 802.1Q.
	FrameHeader = 18

	// MaxBusyPoll is the most of Config.BusyPoll: longer than that, waking costs nothing in comparison.
	MaxBusyPoll = 10 * time.Millisecond

	// maxNameLen is IFNAMSIZ without the final NUL (linux/if.h).
	maxNameLen = 15
)

// Config describes the device that [Open] makes. The zero value is usable.
type Config struct {
	// Name is the interface's name: at most 15 letters, digits, '.', '_' and '-'.
	// Empty lets the kernel choose the next free tunN.
	Name string

	// MTU is the largest packet in bytes, 576 to 65520. 0 means 1500.
	MTU int

	// Mode is how the device is driven. Empty means the best that the kernel has: [Vnet], else [Raw], else
	// [Water].
	Mode Mode

	// Offload lets the kernel hand over super-packets and leave checksums open, and do both for us. Only
	// mode Vnet can; in others it has no effect.
	Offload bool

	// Ethernet makes it a TAP device: packets are Ethernet frames, with an ARP or neighbor discovery of
	// their own.
	Ethernet bool

	// BusyPoll is for how long after the last packet a ReadBatch or [Await] that waits asks the kernel again
	// and again before it sleeps: being woken takes tens of microseconds where processors sleep. Asking takes a
	// processor; it ends for a millisecond when somebody else wants that. 0, the default, sleeps at once. Mode
	// [Water] always does.
	BusyPoll time.Duration

	// Awake, if not nil, keeps processors from halting while packets come: [KeepAwake]. A wait may then end
	// before its timeout. Mode [Water] has no use for it.
	Awake *Awake

	// Notice, if not nil, is told in one sentence of each mode that the kernel does not have.
	Notice func(string)
}

// Mode is a way to drive a device.
type Mode string

// The modes, best first.
const (
	// Vnet puts a virtio-net header in front of each packet (IFF_VNET_HDR), which is where offloads are
	// said. It is called "offload" for the people who use it.
	Vnet Mode = "offload"

	// Raw is the bare packet, read and written without the help of a library.
	Raw Mode = "raw"

	// Water is the library songgao/water: the oldest way, one packet a call.
	Water Mode = "water"
)

// Modes lists the modes, best first.
func Modes() []Mode { return []Mode{Vnet, Raw, Water} }

// withDefaults fills in what was left out and refuses what no device can have.
func (c Config) withDefaults() (Config, error) {
	if c.MTU == 0 {
		c.MTU = DefaultMTU
	}
	if err := checkMTU(c.MTU); err != nil {
		return Config{}, err
	}
	if err := checkName(c.Name); err != nil {
		return Config{}, err
	}
	if c.Mode != "" && !slices.Contains(Modes(), c.Mode) {
		return Config{}, &Error{Problem: fmt.Sprintf("there is no device mode %q", c.Mode), Remedy: "use offload, raw or water"}
	}
	if c.BusyPoll < 0 || c.BusyPoll > MaxBusyPoll {
		return Config{}, &Error{Problem: fmt.Sprintf("busy polling for %v", c.BusyPoll), Remedy: fmt.Sprintf("use 0 to %v", MaxBusyPoll)}
	}
	return c, nil
}

// mostOf is the length in bytes of the longest packet with its link header.
func mostOf(mtu int, ethernet bool) int {
	if ethernet {
		return mtu + FrameHeader
	}
	return mtu
}

func checkMTU(mtu int) error {
	if mtu >= MinMTU && mtu <= MaxMTU {
		return nil
	}
	return &Error{
		Problem: fmt.Sprintf("an MTU of %d is out of range", mtu),
		Remedy:  fmt.Sprintf("use %d to %d", MinMTU, MaxMTU),
	}
}

// checkName is stricter than the kernel, which takes any bytes but '/', ':' and white space, and reads
// '%' as a template: a name must survive shells, sysctl paths and file names.
func checkName(name string) error {
	if len(name) > maxNameLen {
		return &Error{
			Problem: fmt.Sprintf("device name %q has %d bytes", name, len(name)),
			Remedy:  fmt.Sprintf("use at most %d, the limit of Linux", maxNameLen),
		}
	}
	switch name {
	case ".", "..", "all", "default": // directories under /proc/sys/net/ipv4/conf
		return &Error{Problem: fmt.Sprintf("device name %q is reserved by Linux", name), Remedy: "choose another"}
	}
	for _, r := range name {
		if !nameRune(r) {
			return &Error{
				Problem: fmt.Sprintf("device name %q contains %q", name, r),
				Remedy:  "use letters, digits, '.', '_' and '-'",
			}
		}
	}
	return nil
}

func nameRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' ||
		r == '.' || r == '_' || r == '-'
}
