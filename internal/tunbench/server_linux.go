package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
)

// server is what is measured, and what came out so far.
type server struct {
	name     string
	addr     [4]byte
	cmd      *exec.Cmd
	measured int // the process whose processor time counts; 0: that of cmd
	results  map[string][]float64
}

// launch starts a server with a network of its own: 10.88.n.0/24, the server
// being .2 in it.
func (o *options) launch(name string, n int) (*server, error) {
	s := &server{name: name, addr: [4]byte{10, 88, byte(n), 2}, results: make(map[string][]float64)}
	here := fmt.Sprintf("10.88.%d.1/24", n)
	there := fmt.Sprintf("10.88.%d.2/24", n)
	if name == "veth" {
		return s, s.launchVeth(here, there)
	}
	if _, ok := gateways[name]; ok {
		return s, s.launchGateway(o, n)
	}
	s.cmd = exec.Command(o.binary, "up", "-q", "--tun", "ft-"+name, "--addr", there, "--host-addr", here,
		"--serve", "echo,discard,chargen,http", "--congestion", "reno", "--device", name)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	complaints, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(complaints)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "up: ") {
			go func() {
				for lines.Scan() { // the summary
				}
			}()
			return s, nil
		}
		fmt.Fprintln(os.Stderr, lines.Text())
	}
	return nil, fmt.Errorf("it did not come up: %v", s.cmd.Wait())
}

// launchVeth starts the kernel's TCP, served by Go code like that of the
// services, in a namespace of its own behind a veth pair.
func (s *server) launchVeth(here, there string) error {
	s.cmd = again("veth " + there)
	s.cmd.Stdout = nil
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	in, err := s.cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "bench0"}, PeerName: "bench1", PeerNamespace: netlink.NsPid(s.cmd.Process.Pid)}
	if err := netlink.LinkAdd(veth); err != nil {
		return err
	}
	if err := giveAddress("bench0", here); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(in, "the link is there"); err != nil {
		return err
	}
	_, err = bufio.NewReader(out).ReadString('\n')
	return err
}

func giveAddress(name, addr string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	a, err := netlink.ParseAddr(addr)
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(link, a); err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}

func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait()
}

// cpu is the processor time that the server has used so far.
func (s *server) cpu() (time.Duration, error) {
	pid := s.measured
	if pid == 0 {
		pid = s.cmd.Process.Pid
	}
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	words := strings.Fields(rest)
	user, err1 := strconv.Atoi(words[11])
	system, err2 := strconv.Atoi(words[12])
	if err1 != nil || err2 != nil {
		return 0, fmt.Errorf("/proc/PID/stat: %q", b)
	}
	return time.Duration(user+system) * 10 * time.Millisecond, nil // USER_HZ is 100 on every architecture of Go
}

// serveVeth is the server behind the veth pair.
func serveVeth() error {
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	if err := giveAddress("bench1", strings.TrimPrefix(os.Getenv(roleEnv), "veth ")); err != nil {
		return err
	}
	if err := useReno(); err != nil {
		return err
	}
	return serveAll(func() error {
		fmt.Println("ready")
		return nil
	})
}

// serveAll serves for ever; listening is called when clients can connect.
func serveAll(listening func() error) error {
	for port, serve := range map[string]func(net.Conn){":7": echo, ":9": discard, ":19": chargen, ":80": page} {
		l, err := net.Listen("tcp4", port)
		if err != nil {
			return err
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					fmt.Fprintln(os.Stderr, "tunbench: accept:", err)
					os.Exit(1)
				}
				go func() {
					serve(c)
					_ = c.Close()
				}()
			}
		}()
	}
	if err := listening(); err != nil {
		return err
	}
	select {}
}

// The services below do what those of `fivetuple up` do.

const ioSize = 256 << 10

func echo(c net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
		if n == len(buf) && n < ioSize {
			buf = make([]byte, ioSize)
		}
	}
}

func discard(c net.Conn) {
	buf := make([]byte, ioSize)
	for {
		if _, err := c.Read(buf); err != nil {
			return
		}
	}
}

func chargen(c net.Conn) {
	text := []byte(strings.Repeat("0123456789abcdef", ioSize/16))
	for {
		if _, err := c.Write(text); err != nil {
			return
		}
	}
}

func page(c net.Conn) {
	var pending []byte
	buf := make([]byte, 4096)
	for {
		i := strings.Index(string(pending), "\r\n\r\n")
		if i < 0 {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			pending = append(pending, buf[:n]...)
			continue
		}
		words := strings.Fields(string(pending[:i]))
		pending = pending[i+4:]
		body := fmt.Sprintf("This connection is named by five things:\n\n"+
			"  protocol     tcp\n  local IP     %s\n  remote IP    %s\n\nYou asked for %s.\n", c.LocalAddr(), c.RemoteAddr(), words[1])
		_, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nServer: tunbench\r\nDate: %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: keep-alive\r\n\r\n%s",
			time.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"), len(body), body)
		if err != nil {
			return
		}
	}
}
