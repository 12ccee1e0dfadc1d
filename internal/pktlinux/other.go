//go:build !linux

package pktlinux

import (
	"context"
	"errors"

	"fivetuple/scenarios/packetdrill"
)

var errLinux = errors.New("this needs Linux, and root: leave it out to run on netstack")

// Check says why scripts cannot run here.
func Check() error { return errLinux }

// Release is the kernel's version.
func Release() string { return "" }

// Run needs Linux.
func Run(context.Context, *packetdrill.Script, packetdrill.Config, Config) (*packetdrill.Result, error) {
	return nil, errLinux
}
