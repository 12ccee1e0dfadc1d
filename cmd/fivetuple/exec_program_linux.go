package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"fivetuple/internal/spell"
	"fivetuple/sim"
	"fivetuple/tun"
	"fivetuple/tun/sockdiag"

	"golang.org/x/sys/unix"
)

// exitNotStarted is env(1)'s and timeout(1)'s status for a program that could
// not be started.
const exitNotStarted = 125

// program is one real program and the host whose place it takes.
type program struct {
	host     string
	args     []string
	world    *sim.World
	real     *sim.RealHost
	cmd      *exec.Cmd
	settings []setting
	done     chan struct{} // closed when it has ended

	devices []*sim.Device
	conn    *sockdiag.Conn // asks its kernel for connections; nil: nobody does
	connErr string         // why there is none
}

// plan is what the child that becomes the program has to set up first.
type plan struct {
	Interfaces []planInterface
	Settings   []setting
	Hosts      string   // replaces /etc/hosts; "": it stays
	Resolv     string   // replaces /etc/resolv.conf; "": it stays
	Tun        *planTun // drives the one interface; nil: each is read a packet at a time
	Held       bool     // the program starts when the socket says so
	Diag       bool     // send a socket that asks for connections
	Args       []string
}

type planInterface struct {
	Name   string
	MTU    int
	MAC    net.HardwareAddr // nil: a TUN device
	Addrs  []netip.Prefix
	Routes []sim.RealRoute
}

// direct are the destinations that are reached without a router.
func (p *planInterface) direct() (out []netip.Prefix) {
	for _, r := range p.Routes {
		if !r.Via.IsValid() {
			out = append(out, r.Dst)
		}
	}
	return out
}

// routeVia adds the routes through routers.
func (p *planInterface) routeVia() error {
	for _, r := range p.Routes {
		if r.Via.IsValid() {
			if err := tun.RouteVia(p.Name, r.Dst, r.Via); err != nil {
				return err
			}
		}
	}
	return nil
}

// planTun is how a device is opened that is passed on: [tun.Config].
type planTun struct {
	Mode    tun.Mode
	Offload bool
}

// start starts the program on the host's interfaces.
func (p *program) start(ctx context.Context, names string, diag bool) error {
	todo := plan{Hosts: names, Settings: p.settings, Diag: diag, Args: p.args}
	for _, i := range p.real.Interfaces() {
		todo.Interfaces = append(todo.Interfaces, planInterface{i.Name(), i.MTU(), i.MAC(), i.Addrs(), i.Routes()})
	}
	here, err := p.spawn(todo)
	if err != nil {
		return err
	}
	defer here.Close()
	return p.attach(ctx, here)
}

// spawn runs fivetuple again in new namespaces, where it makes the interfaces,
// sends their descriptors to the socket that is returned, and becomes the program.
func (p *program) spawn(todo plan) (here *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	here = os.NewFile(uintptr(fds[0]), "socketpair")
	there := os.NewFile(uintptr(fds[1]), "socketpair")
	defer there.Close()
	defer func() {
		if err != nil {
			here.Close()
		}
	}()
	text, err := todo.file()
	if err != nil {
		return here, err
	}
	defer text.Close()
	p.cmd = &exec.Cmd{Path: "/proc/self/exe", Args: []string{os.Args[0], insideName}}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	p.cmd.ExtraFiles = []*os.File{there, text} // insideFD, planFD
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		p.cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		p.cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		p.cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	if err = p.cmd.Start(); err != nil {
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) {
			err = fmt.Errorf("no namespace: %w; run as root, or allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone, user.max_user_namespaces)", err)
		}
		return nil, err
	}
	p.done = make(chan struct{})
	go func() {
		_ = p.cmd.Wait() // its status is read from ProcessState
		close(p.done)
	}()
	return here, nil
}

// file has the plan, to be read from its beginning: arguments may be longer than a
// message on a socket.
func (p *plan) file() (*os.File, error) {
	fd, err := unix.MemfdCreate("plan", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "plan")
	if err = json.NewEncoder(f).Encode(p); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
	}
	return f, err
}

// attach receives the descriptors of the devices, and connects them.
func (p *program) attach(ctx context.Context, from *os.File) error {
	ifaces := p.real.Interfaces()
	_, fds, err := p.receive(from, len(ifaces))
	if err != nil {
		return err
	}
	for n, i := range ifaces {
		if err := unix.SetNonblock(fds[n], true); err != nil {
			return err
		}
		dev, err := pump(ctx, p.world, os.NewFile(uintptr(fds[n]), i.Name()), i)
		if err != nil {
			return err
		}
		p.devices = append(p.devices, dev)
	}
	return nil
}

// receive waits until the interfaces are made, and takes their descriptors.
func (p *program) receive(from *os.File, ifaces int) (said ready, fds []int, err error) {
	msg, oob := make([]byte, 4096), make([]byte, unix.CmsgSpace(4*(ifaces+1)))
	n, oobn, _, _, err := unix.Recvmsg(int(from.Fd()), msg, oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return said, nil, os.NewSyscallError("recvmsg", err)
	}
	if err := json.Unmarshal(msg[:n], &said); err != nil || said.Error != "" {
		<-p.done // it has said why, or the message says it
		return said, nil, errors.New(strings.TrimSpace("could not be set up: " + said.Error))
	}
	cmsgs, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(cmsgs) != 1 {
		return said, nil, fmt.Errorf("no descriptors came: %w", err)
	}
	fds, err = unix.ParseUnixRights(&cmsgs[0])
	if err != nil || len(fds) != ifaces+said.diags() {
		return said, nil, fmt.Errorf("%d descriptors came for %d interfaces: %w", len(fds), ifaces, err)
	}
	if p.connErr = said.NoDiag; said.diags() > 0 {
		p.conn = sockdiag.FromFD(fds[ifaces], said.Devices...)
	}
	return said, fds, nil
}

// pump carries packets between a device and the world, until ctx is done. The world
// runs already.
func pump(ctx context.Context, w *sim.World, f *os.File, i *sim.RealInterface) (*sim.Device, error) {
	context.AfterFunc(ctx, func() { f.Close() })
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	opened := make(chan *sim.Device, 1)
	w.Look(ctx, func() { opened <- i.Open(packetWriter(raw)) })
	var dev *sim.Device
	select {
	case dev = <-opened:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	go readPackets(raw, func(packet []byte) bool { return dev.Post(ctx, append([]byte(nil), packet...)) })
	return dev, nil
}

// packetWriter writes packets to a device. It does not tell Go's scheduler that this is a
// system call, as [tun.Device] does not: it does not wait, and takes microseconds.
func packetWriter(raw syscall.RawConn) func(packet []byte) error {
	var packet []byte
	var errno syscall.Errno
	write := func(fd uintptr) {
		_, _, errno = unix.RawSyscall(unix.SYS_WRITE, fd, uintptr(unsafe.Pointer(unsafe.SliceData(packet))), uintptr(len(packet)))
	}
	return func(b []byte) error {
		packet = b
		err := raw.Control(write)
		if err == nil && errno != 0 {
			err = os.NewSyscallError("write", errno)
		}
		return err
	}
}

// readPackets calls take with each packet of a device, until that is closed or take returns
// false.
func readPackets(raw syscall.RawConn, take func(packet []byte) bool) {
	buf := make([]byte, 65536)
	for over := false; !over; {
		err := raw.Read(func(fd uintptr) bool {
			for {
				n, _, errno := unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(len(buf)))
				switch {
				case errno == unix.EAGAIN:
					return false
				case errno == unix.EINTR:
				case errno != 0 || !take(buf[:n]):
					over = true
					return true
				}
			}
		})
		if err != nil {
			return
		}
	}
}

// servingLimit is how long a program of --with may take until it serves.
const servingLimit = 5 * time.Second

// waitUntilServing waits until the program has a listening or bound socket, so
// that the next one finds it there. It gives up after a while: not every
// program serves.
func (p *program) waitUntilServing(ctx context.Context) {
	deadline := time.NewTimer(servingLimit)
	defer deadline.Stop()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for !serving(p.cmd.Process.Pid) {
		select {
		case <-ctx.Done():
			return
		case <-p.done:
			return
		case <-deadline.C:
			return
		case <-look.C:
		}
	}
}

// serving reports whether the namespace of a process has a TCP socket that
// listens, or a UDP socket: proc_net_tcp.
func serving(pid int) bool {
	for _, table := range []struct{ name, state string }{{"tcp", "0A"}, {"tcp6", "0A"}, {"udp", "07"}, {"udp6", "07"}} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table.name))
		if err != nil {
			continue
		}
		for _, line := range strings.Split(string(text), "\n") {
			if f := strings.Fields(line); len(f) > 3 && f[3] == table.state {
				return true
			}
		}
	}
	return false
}

// wait waits for the program's end, or until ctx is done, and returns its exit
// status.
func (p *program) wait(ctx context.Context) int {
	select {
	case <-p.done:
	case <-ctx.Done():
		p.end()
	}
	state := p.cmd.ProcessState
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return exitSignal + int(ws.Signal())
	}
	return state.ExitCode()
}

// endLimit is how long a program may take to end after SIGTERM.
const endLimit = 2 * time.Second

// end ends the program, if it still runs.
func (p *program) end() {
	if p.done == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.done:
	case <-time.After(endLimit):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// hostsFile writes the names of the lab where the programs find them.
func hostsFile(w *sim.World) (string, error) {
	f, err := os.CreateTemp("", "fivetuple-hosts-")
	if err != nil {
		return "", err
	}
	for _, e := range w.Netdb().Hosts() {
		fmt.Fprintf(f, "%s %s\n", e.Addr, e.Name)
	}
	err = f.Chmod(0o644)
	return f.Name(), errors.Join(err, f.Close())
}

func hostHint(w *sim.World, name string) string {
	var names []string
	for _, h := range w.Hosts() {
		names = append(names, h.Name())
	}
	return spell.Hint(name, names) + "; there are " + strings.Join(names, ", ")
}
