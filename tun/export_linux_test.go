package tun

import "time"

// WithoutModes makes Open believe that the kernel lacks these modes, until the test ends.
func WithoutModes(cleanup func(func()), lacks ...Mode) {
	hasMode = func(m Mode) bool {
		for _, l := range lacks {
			if l == m {
				return false
			}
		}
		return true
	}
	cleanup(func() { hasMode = nil })
}

// KeepAwakeWith is KeepAwake with another file.
var KeepAwakeWith = keepAwake

// NewAwake makes an Awake that tells hold what it would ask for.
func NewAwake(hold func(on bool)) *Awake { return &Awake{hold: hold} }

// Packet and Limit are what a device does.
func (a *Awake) Packet(now time.Time) { a.packet(now) }
func (a *Awake) Limit(now time.Time, timeout time.Duration) time.Duration {
	return a.limit(now, timeout)
}
