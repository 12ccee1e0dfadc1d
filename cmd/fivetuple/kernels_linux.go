package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"fivetuple/trace"
	"fivetuple/tun/sockdiag"
)

// liveKernels are the kernels behind the devices of `fivetuple up`, one for each
// network namespace.
type liveKernels []*liveKernel

type liveKernel struct {
	kernelSockets
	netns string
	conn  *sockdiag.Conn
	err   error // why there is no conn
}

// openKernels opens a socket in each namespace that has a device, as long as this
// process may enter them. That a kernel tells nothing matters when it is asked.
func (l *live) openKernels() error {
	if l.behind != nil {
		l.kernels = liveKernels{l.behind.kernel(l.hostAddrs)}
		return nil
	}
	add := func(netns, device string, addrs kernelSockets) error {
		if i := slices.IndexFunc(l.kernels, func(k *liveKernel) bool { return k.netns == netns }); i >= 0 {
			l.kernels[i].addrs = append(l.kernels[i].addrs, addrs.addrs...)
			return nil
		}
		k := &liveKernel{kernelSockets: addrs, netns: netns}
		l.kernels = append(l.kernels, k)
		return inNamed(netns, func() error {
			i, err := net.InterfaceByName(device)
			if err != nil {
				return err
			}
			k.conn, k.err = sockdiag.Open(i.Index)
			return nil
		})
	}
	err := add(l.netns, l.tun.Name(), kernelSockets{name: l.simDevs[0].Peer(), addrs: slices.Clone(l.hostAddrs), every: l.gateway != nil})
	for n, d := range l.upConfig.also {
		if err == nil {
			err = add(d.netns, l.devs[n+1].Name(), kernelSockets{name: l.simDevs[n+1].Peer(), addrs: slices.Clone(d.hostAddrs), every: l.gateway != nil})
		}
	}
	if l.forward && l.gateway == nil {
		l.kernels.meet()
	}
	return err
}

// meet lets each kernel know the addresses of the others, to whom the stack leads.
func (ks liveKernels) meet() {
	for _, k := range ks {
		for _, o := range ks {
			for _, p := range o.addrs {
				if o != k && !k.has(p.Addr()) {
					k.others = append(k.others, p.Addr())
				}
			}
		}
	}
}

func (ks liveKernels) close() {
	for _, k := range ks {
		if k.conn != nil {
			_ = k.conn.Close() // it was read from; nothing is lost
		}
	}
}

// list implements [kernels].
func (ks liveKernels) list(protos []string, own []netip.Addr) (out []kernelSockets, err error) {
	for _, k := range ks {
		if k.err != nil {
			return nil, fmt.Errorf("--linux: %s: %w", k.name, k.err)
		}
		one := k.kernelSockets
		for _, proto := range protos {
			peers := slices.Concat(own, k.others)
			switch {
			case k.every:
				peers = nil
			case proto == "udp": // those that receive from anybody, too
				peers = append(peers, netip.IPv4Unspecified(), netip.IPv6Unspecified())
			}
			all, err := k.conn.List(proto, peers...)
			if err != nil {
				return nil, fmt.Errorf("--linux: %s: %w; -t and -u ask for one kind alone", k.name, err)
			}
			for _, s := range all {
				one.sockets, one.inodes = append(one.sockets, s.Socket), append(one.inodes, s.Inode)
			}
		}
		out = append(out, one)
	}
	return out, nil
}

func init() { holdersOf = procHolders }

// procHolders looks for descriptors in /proc/PID/fd: those of other users are
// hidden from all but root.
func procHolders(inodes []uint32) map[uint32][]trace.Origin {
	found := make(map[uint32][]trace.Origin)
	if len(inodes) == 0 {
		return found
	}
	wanted := make(map[uint64]bool)
	for _, n := range inodes {
		wanted[uint64(n)] = true
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*") // the pattern is well formed
	for _, link := range links {
		to, err := os.Readlink(link)
		number, ok := strings.CutPrefix(to, "socket:[")
		if err != nil || !ok {
			continue // it has ended, or is none
		}
		inode, err := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 32)
		if err != nil || !wanted[inode] {
			continue
		}
		dir := filepath.Dir(filepath.Dir(link))
		pid, _ := strconv.Atoi(filepath.Base(dir)) // as in the pattern
		fd, _ := strconv.Atoi(filepath.Base(link))
		comm, _ := os.ReadFile(filepath.Join(dir, "comm"))
		o := trace.Origin{Proc: strings.TrimSuffix(string(comm), "\n"), PID: pid, FD: fd, HasFD: true}
		found[uint32(inode)] = append(found[uint32(inode)], o)
	}
	return found
}
