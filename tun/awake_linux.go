package tun

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"time"
)

// latencyFile is where PM QoS takes requests, which end when the file is closed:
// Documentation/power/pm_qos_interface.rst. It wants microseconds, in the machine's byte order.
const latencyFile = "/dev/cpu_dma_latency"

// noRequest is PM_QOS_DEFAULT_VALUE.
const noRequest = -1

// MaxLatency is the most that [KeepAwake] takes. No processor takes so long.
const MaxLatency = time.Second

// KeepAwake makes an Awake that allows processors to take most to wake: 0 lets none of them halt. It needs the right
// to write to /dev/cpu_dma_latency, now and not later. On machines that do not manage how processors idle it has no
// effect.
func KeepAwake(most time.Duration) (*Awake, error) {
	if most < 0 || most > MaxLatency {
		return nil, &Error{Problem: fmt.Sprintf("processors that take %v to wake", most), Remedy: fmt.Sprintf("use 0 to %v", MaxLatency)}
	}
	return keepAwake(latencyFile, most)
}

func keepAwake(file string, most time.Duration) (*Awake, error) {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return nil, &Error{Problem: "keep processors awake: " + err.Error(), Remedy: "run as root, or do without", Err: err}
	}
	return &Awake{end: f.Close, hold: func(on bool) {
		us := int32(noRequest)
		if on {
			us = int32(most.Microseconds())
		}
		_, _ = f.Write(binary.NativeEndian.AppendUint32(nil, uint32(us))) // without it, answers are slower
	}}, nil
}

// LeastLatency is what [KeepAwake] should allow on this machine. Where processors belong to a virtual machine that
// halts them (cpuidle's haltpoll), only 0 prevents that; elsewhere 2 µs leave them the lightest sleep.
func LeastLatency() time.Duration {
	driver, err := os.ReadFile("/sys/devices/system/cpu/cpuidle/current_driver")
	if err == nil && strings.TrimSpace(string(driver)) == "haltpoll" {
		return 0
	}
	return 2 * time.Microsecond
}
