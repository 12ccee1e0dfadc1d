package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/vishvananda/netlink"
)

// server is a variant that runs, and what came out so far.
type server struct {
	variant
	number      int
	here, there []netip.Prefix // IPv4 and IPv6 of the client's end, and of the server's
	addr, addr6 netip.Addr     // where the services are; gateways have no addr6
	client      *namespace     // where the client's sockets are; nil: the lab
	inner       *namespace     // veth's
	processes   []*process     // whose time and memory count
	results     map[string][]float64
	failures    []failure
}

// failure is a measurement that cannot be made; "" is all of them.
type failure struct {
	measurement string
	err         error
}

func (s *server) to(port uint16) netip.AddrPort  { return netip.AddrPortFrom(s.addr, port) }
func (s *server) to6(port uint16) netip.AddrPort { return netip.AddrPortFrom(s.addr6, port) }

func (s *server) add(name string, v float64) { s.results[name] = append(s.results[name], v) }

// fail keeps why a measurement cannot be made. A server that has ended can make
// none.
func (s *server) fail(measurement string, err error) {
	for _, p := range s.processes {
		if measurement != "" && p.over() {
			measurement, err = "", fmt.Errorf("ended during %s (%w): %w", measurement, err, p.failure())
		}
	}
	s.failures = append(s.failures, failure{measurement, err})
}

// failed reports whether a measurement has failed before.
func (s *server) failed(measurement string) bool {
	for _, f := range s.failures {
		if f.measurement == measurement || f.measurement == "" {
			return true
		}
	}
	return false
}

// await waits until the server echoes, or has ended.
func (s *server) await() error {
	err := error(nil)
	for end := time.Now().Add(patience); time.Now().Before(end); {
		err = s.client.do(func() error {
			c, err := connect(s.to(7), 300*time.Millisecond)
			if err != nil {
				return err
			}
			defer c.close()
			return c.echo()
		})
		if err == nil {
			return nil
		}
		for _, p := range s.processes {
			if p.over() {
				return p.failure()
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	err = fmt.Errorf("no echo within %s: %w", patience, err)
	for _, p := range s.processes {
		err = fmt.Errorf("%w; %w", err, p.failure())
	}
	return err
}

func (s *server) stop() {
	for _, p := range s.processes {
		p.stop()
	}
	s.inner.close()
	s.client.close()
	s.processes, s.inner, s.client = nil, nil, nil
}

// run starts a program whose time and memory count as the server's.
func (s *server) run(cmd *exec.Cmd) error {
	p, err := startProcess(filepath.Base(cmd.Path), cmd)
	if err == nil {
		s.processes = append(s.processes, p)
	}
	return err
}

// cpu is the processor time that the server has used so far.
func (s *server) cpu() (total time.Duration, err error) {
	for _, p := range s.processes {
		d, err := p.cpu()
		if err != nil {
			return 0, err
		}
		total += d
	}
	return total, nil
}

// memory is the server's resident memory in bytes.
func (s *server) memory() (total int, err error) {
	for _, p := range s.processes {
		n, err := p.memory()
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// device is the name of the server's interface.
func (s *server) device() string { return "bench" + strconv.Itoa(s.number) }

// upDevices are the flags of `fivetuple up` for the device, which is named last.
var upDevices = map[string][]string{
	"offload":  {"--device", "offload", "--tun"},
	"no-awake": {"--device", "offload", "--cpu-latency", "off", "--tun"},
	"no-poll":  {"--device", "offload", "--cpu-latency", "off", "--busy-poll", "0s", "--tun"},
	"raw":      {"--device", "raw", "--tun"},
	"water":    {"--device", "water", "--tun"},
	"tap":      {"--device", "offload", "--tap"},
	"tap-off":  {"--device", "offload", "--offload", "off", "--tap"},
}

// keepAwake keeps the machine's processors from halting while the server is
// measured, if it is to be so: that is what `up` asks for itself.
func (s *server) keepAwake() (end func(), err error) {
	if !s.awake {
		return func() {}, nil
	}
	f, err := os.OpenFile("/dev/cpu_dma_latency", os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	if _, err := f.Write(make([]byte, 4)); err != nil { // 0 µs
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

// launchUp starts `fivetuple up` in one of its modes.
func (l *lab) launchUp(s *server, v variant) error {
	device := append(slices.Clone(upDevices[v.kind.name]), s.device())
	return s.run(exec.Command(l.binary, append(append([]string{"up", "-q"}, device...), "--congestion", "reno",
		"--addr", s.there[0].String(), "--addr", s.there[1].String(),
		"--host-addr", s.here[0].String(), "--host-addr", s.here[1].String(), "--serve", "echo,discard,chargen,http")...))
}

// launchVeth starts the kernel's TCP, served by Go code like that of the
// services, in a namespace of its own behind a veth pair.
func (l *lab) launchVeth(s *server, _ variant) (err error) {
	if s.inner, err = newHolder("veth", true); err != nil {
		return err
	}
	s.processes = []*process{s.inner.holder}
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: s.device()}, PeerName: "peer", PeerNamespace: netlink.NsPid(s.inner.pid())}
	if err := netlink.LinkAdd(veth); err != nil {
		return err
	}
	return errors.Join(
		s.inner.do(func() error { return configureLink("peer", s.there...) }),
		configureLink(s.device(), s.here...),
		s.inner.serve())
}

// launchPeer starts a stack of bench/peers, and gives Linux's end of its device
// its addresses.
func (l *lab) launchPeer(s *server, v variant) error {
	err := s.run(exec.Command(filepath.Join(l.peers, "peers"), "-peer", v.kind.name, "-tun", s.device(),
		"-addr", s.addr.String(), "-addr", s.addr6.String()))
	if err != nil {
		return err
	}
	if err := s.awaitLink(s.device()); err != nil {
		return err
	}
	return configureLink(s.device(), s.here...)
}

// awaitLink waits until the server has made an interface in the calling
// thread's namespace.
func (s *server) awaitLink(name string) error {
	return s.awaitThing(name, func() bool {
		_, err := netlink.LinkByName(name)
		return err == nil
	})
}

// awaitFile waits until the server has made a file.
func (s *server) awaitFile(name string) error {
	return s.awaitThing(name, func() bool {
		_, err := os.Stat(name)
		return err == nil
	})
}

func (s *server) awaitThing(name string, there func() bool) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if there() {
			return nil
		}
		for _, p := range s.processes {
			if p.over() {
				return p.failure()
			}
		}
	}
	return fmt.Errorf("it made no %s within %s", name, patience)
}
