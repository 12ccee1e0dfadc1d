package main

import (
	"context"
	"path/filepath"

	"fivetuple/internal/pktlinux"
	"fivetuple/scenarios/packetdrill"
)

// What --target of `fivetuple pkt` may be.
const (
	onNetstack = "netstack"
	onLinux    = "linux"
)

// runOn runs a script against the target.
func (o *pktOptions) runOn(ctx context.Context, s *packetdrill.Script, cfg packetdrill.Config) (*packetdrill.Result, error) {
	if o.target == onLinux {
		return pktlinux.Run(ctx, s, cfg, pktlinux.Config{AllowShell: o.allowShell, Dir: filepath.Dir(s.File)})
	}
	return packetdrill.Run(ctx, s, cfg), nil
}
