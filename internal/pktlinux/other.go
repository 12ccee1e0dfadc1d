//go:build !linux

package pktlinux

import (
	"context"
	"errors"

	"fivetuple/scenarios/packetdrill"
)

// Run needs Linux.
func Run(context.Context, *packetdrill.Script, packetdrill.Config, Config) (*packetdrill.Result, error) {
	return nil, errors.New("--target=linux needs Linux, and root: run without it for netstack")
}
