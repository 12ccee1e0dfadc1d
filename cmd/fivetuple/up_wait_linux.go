package main

import (
	"fivetuple/sim/netem"
	"fivetuple/tun"

	"github.com/spf13/pflag"
)

// waitFlags say how a session waits for packets.
type waitFlags struct{ busyPoll, latency string }

var defaultWait = waitFlags{busyPoll: "100us", latency: "auto"}

func (w *waitFlags) define(f *pflag.FlagSet) {
	f.StringVar(&w.busyPoll, "busy-poll", defaultWait.busyPoll,
		"ask the device for this `time` after each packet, before sleeping, as long as nobody else wants\nthe processor: quicker answers. 0s: sleep at once")
	f.StringVar(&w.latency, "cpu-latency", defaultWait.latency,
		"how long a processor may take to wake while packets come in quick succession: quicker answers.\nA `time`; off: as long as it likes; auto: the least, if /dev/cpu_dma_latency may be opened")
}

// check reads --busy-poll and --cpu-latency.
func (w *waitFlags) check(c *upConfig) (err error) {
	c.tun.BusyPoll, err = netem.ParseDuration(w.busyPoll)
	if err != nil || c.tun.BusyPoll < 0 || c.tun.BusyPoll > tun.MaxBusyPoll {
		return usagef("--busy-poll %q: a time from 0s to %v, as 50us", w.busyPoll, tun.MaxBusyPoll)
	}
	switch w.latency {
	case "auto":
		c.awake = func() (*tun.Awake, error) {
			a, err := tun.KeepAwake(tun.LeastLatency())
			if err != nil {
				return nil, nil // answers are slower
			}
			return a, nil
		}
	case "off":
	default:
		most, err := netem.ParseDuration(w.latency)
		if err != nil || most < 0 || most > tun.MaxLatency {
			return usagef("--cpu-latency %q: auto, off, or a time from 0s to %v, as 2us", w.latency, tun.MaxLatency)
		}
		if c.tun.Mode == tun.Water {
			return usagef("--cpu-latency %s: a device of --device water has none", w.latency)
		}
		c.awake = func() (*tun.Awake, error) { return tun.KeepAwake(most) }
	}
	return nil
}

// keepAwake has processors kept awake while packets come, as --cpu-latency says.
func (l *live) keepAwake() (err error) {
	if l.awake != nil {
		l.upConfig.tun.Awake, err = l.awake()
	}
	return err
}
