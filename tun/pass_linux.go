package tun

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Passed is what goes with the descriptor of a device that one process has opened
// for another: in a network namespace that only the first can enter.
type Passed struct {
	Name    string
	MTU     int
	Mode    Mode // Vnet or Raw
	Offload bool
	UDP     bool // offloads of UDP too

	// As in [Config]: for who adopts it to set.
	BusyPoll time.Duration
	Awake    *Awake `json:"-"`
}

// Pass describes an open device, and calls use with its descriptor, which is valid
// during the call: for unix.Sendmsg. The device is not closed: who passes it on
// ends, or execs, and the device lives as long as the other one has it. A device of
// mode [Water] cannot be passed on: errors.Is(err, [errors.ErrUnsupported]) holds.
func Pass(d Device, use func(fd int, p Passed) error) error {
	f, ok := d.(*fastDevice)
	if !ok || f.ethernet {
		return &Error{Problem: fmt.Sprintf("device %s cannot be passed on", d.Name()),
			Remedy: "use a TUN device of mode offload or raw", Err: errors.ErrUnsupported}
	}
	p := Passed{Name: f.name, MTU: f.mtu, Mode: Raw, Offload: f.offload, UDP: f.udp}
	if f.vnet {
		p.Mode = Vnet
	}
	var err error
	return errors.Join(f.raw.Control(func(fd uintptr) { err = use(int(fd), p) }), err)
}

// Adopt makes a Device of a descriptor that [Pass] has sent, and takes it over,
// also if it fails. Name and MTU are those of the other namespace.
func Adopt(fd int, p Passed) (Device, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, &Error{Problem: fmt.Sprintf("take over device %s: %v", p.Name, err), Err: err}
	}
	d, err := newFast(fd, Config{Name: p.Name, MTU: p.MTU, Offload: p.Offload, BusyPoll: p.BusyPoll, Awake: p.Awake}, p.Mode == Vnet, p.UDP)
	if err != nil {
		return nil, err
	}
	return d, nil
}
