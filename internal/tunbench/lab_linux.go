package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// lab is where the client is, and what all variants share.
type lab struct {
	*options
	beside  *namespace // the kernel's services beside the gateways; nil: none needed yet
	started int        // servers so far: each has a network of its own
	begin   time.Time
}

// scratch is a folder of the lab's own, in memory: it ends with it.
const scratch = "/run"

// private makes the mounts of the lab its own: /proc with its processes, and a
// /run in which no socket or file of the machine is seen or left.
func private() error {
	return errors.Join(
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("proc", "/proc", "proc", 0, ""),
		unix.Mount("tmpfs", scratch, "tmpfs", 0, "mode=755"))
}

// measure runs all rounds and prints what came out.
func (o *options) measure() error {
	if err := private(); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	if err := setUpNamespace(); err != nil {
		return err
	}
	l := &lab{options: o, begin: time.Now()}
	var servers []*server
	for name := range strings.SplitSeq(o.variants, ",") {
		v, err := parseVariant(name)
		if err != nil {
			return err
		}
		servers = append(servers, l.launch(v))
	}
	if contains(o.only, "idle") {
		fmt.Fprintln(os.Stderr, "idle connections")
		for _, s := range servers {
			l.measureIdle(s)
		}
	}
	rounds := l.rounds(servers)
	for _, s := range servers {
		s.stop()
	}
	l.beside.close()
	if rounds < o.rounds {
		fmt.Printf("stopped at the limit of %s, in round %d of %d\n", o.limit, rounds+1, o.rounds)
	}
	report(os.Stdout, o, servers)
	return mustFailures(servers)
}

// rounds measures all servers in as many rounds as there is time for, and
// returns how many were finished.
func (l *lab) rounds(servers []*server) int {
	for n := range l.options.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", n+1, l.options.rounds)
		if !l.round(servers, n) {
			return n
		}
	}
	return l.options.rounds
}

// mustFailures is an error if what everything is compared with could not be
// measured.
func mustFailures(servers []*server) error {
	var failed []string
	for _, s := range servers {
		if s.kind.must && len(s.failures) > 0 {
			failed = append(failed, s.name)
		}
	}
	if failed != nil {
		return fmt.Errorf("not all was measured of %s", strings.Join(failed, ", "))
	}
	return nil
}

// round measures all servers once, and reports whether there was time for it.
func (l *lab) round(servers []*server, round int) bool {
	for i := range servers {
		s := servers[(round+i)%len(servers)] // nobody is always first
		end, err := s.keepAwake()
		if err != nil {
			s.fail("", err)
			continue
		}
		inTime := l.measureOne(s)
		end()
		if !inTime {
			return false
		}
	}
	return true
}

// measureOne measures one server, and reports whether there was time for it.
func (l *lab) measureOne(s *server) bool {
	for _, m := range measurements {
		if !contains(l.only, m.name) || s.kind.gateway && !m.gateway || s.kind.short && m.bulk || s.failed(m.name) {
			continue
		}
		if time.Since(l.begin) > l.limit {
			return false
		}
		if err := m.run(l.options, s); err != nil {
			s.fail(m.name, err)
		}
	}
	return true
}

// measureIdle measures idle connections on a server of its own, which has no
// memory of other measurements.
func (l *lab) measureIdle(of *server) {
	if of.kind.gateway || of.kind.short || of.awake || of.failed("") || time.Since(l.begin) > l.limit {
		return
	}
	s := l.launch(of.variant)
	defer s.stop()
	s.results = of.results
	if len(s.failures) > 0 {
		of.fail("idle", s.failures[0].err)
		return
	}
	var files unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files)
	if err == nil {
		err = s.idleConnections(min(l.idle, int(files.Cur)-200)) // the 200 are for all else
	}
	if err != nil {
		of.fail("idle", err)
	}
}

// launch starts a variant with a network of its own, 10.88.n.0/24 and
// fd88:n::/64: the client is .1 in it, the server .2. What goes wrong is among
// the server's failures.
func (l *lab) launch(v variant) *server {
	n := byte(l.started)
	l.started++
	s := &server{variant: v, number: int(n), results: make(map[string][]float64)}
	six := func(last byte) netip.Addr {
		return netip.AddrFrom16([16]byte{0: 0xfd, 1: 0x88, 3: n, 15: last})
	}
	s.here = []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 88, n, 1}), 24), netip.PrefixFrom(six(1), 64)}
	s.there = []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 88, n, 2}), 24), netip.PrefixFrom(six(2), 64)}
	s.addr, s.addr6 = s.there[0].Addr(), s.there[1].Addr()
	err := error(nil)
	if v.kind.gateway {
		err = l.besideGateways(s)
	}
	if err == nil {
		err = v.kind.launch(l, s, v)
	}
	if err == nil {
		err = s.await()
	}
	if err != nil {
		s.fail("", err)
		s.stop()
	}
	return s
}

// besideGateways is the server that gateways pass connections on to, and the
// namespace from which the client uses this one.
func (l *lab) besideGateways(s *server) (err error) {
	s.addr, s.addr6 = besideAddr.Addr(), netip.Addr{}
	if l.beside == nil {
		veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: besideLink}, PeerName: besideLink + "-"}
		if err := netlink.LinkAdd(veth); err != nil {
			return fmt.Errorf("%s: %w", besideLink, err)
		}
		if err := errors.Join(configureLink(besideLink, besideAddr), configureLink(veth.PeerName)); err != nil {
			return err
		}
		if l.beside, err = newHolder("the server beside the gateways", false); err != nil {
			return err
		}
		if err := l.beside.serve(); err != nil {
			return err
		}
	}
	s.client, err = newHolder("the gateway's client", true)
	return err
}

// besideAddr is the address of the kernel's services beside the gateways, which
// is not one of loopback: gateways do not all pass that on.
var besideAddr = netip.MustParsePrefix("10.99.0.1/24")

const besideLink = "beside"
