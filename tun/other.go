//go:build !linux

package tun

import (
	"errors"
	"net/netip"
)

var errNeedLinux = &Error{Problem: "TUN devices need Linux", Err: errors.ErrUnsupported}

// Open fails: TUN devices need Linux. Use [Pipe].
func Open(Config) (Device, error) { return nil, errNeedLinux }

// Configure fails: TUN devices need Linux.
func Configure(name string, hostAddrs, routes []netip.Prefix, mtu int) error { return errNeedLinux }
