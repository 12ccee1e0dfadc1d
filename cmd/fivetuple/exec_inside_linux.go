package main

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"syscall"

	"fivetuple/tun"
	"fivetuple/tun/sockdiag"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// insideName is the command that `fivetuple exec` runs itself as, in the
// program's namespaces; planFD is where it reads what to do, and insideFD where it says
// [ready].
const (
	insideName = "exec-inside"
	insideFD   = 3
	planFD     = 4
)

// ready is what comes with the descriptors of the devices, or instead of them.
type ready struct {
	Error   string      `json:",omitempty"` // why there are none
	Devices []int       `json:",omitempty"` // their numbers, if a socket that asks for connections follows them
	NoDiag  string      `json:",omitempty"` // why that socket does not
	Tun     *tun.Passed `json:",omitempty"` // what the device of plan.Tun became
}

// diags is how many descriptors there are beside those of the devices.
func (r *ready) diags() int { return min(1, len(r.Devices)) }

func insideCommand() *cobra.Command {
	return &cobra.Command{
		Use: insideName, Hidden: true, Args: cobra.NoArgs,
		Short: "what `fivetuple exec` runs in a program's namespaces",
		RunE: func(*cobra.Command, []string) error {
			conn := os.NewFile(insideFD, "socketpair")
			if conn == nil {
				return usagef("%s is run by `fivetuple exec` alone", insideName)
			}
			err := becomeProgram(conn)
			if errors.Is(err, errSilent) {
				return err
			}
			text, _ := json.Marshal(ready{Error: err.Error()}) // a struct of texts and numbers
			if _, sendErr := conn.Write(text); sendErr != nil {
				return errors.Join(err, programExit{exitNotStarted})
			}
			return errSilent
		},
	}
}

// becomeProgram sets up the namespaces, and execs the program: it returns only
// with an error.
func becomeProgram(conn *os.File) error {
	text := os.NewFile(planFD, "plan")
	if text == nil {
		return usagef("%s is run by `fivetuple exec` alone", insideName)
	}
	var p plan
	err := json.NewDecoder(text).Decode(&p)
	text.Close()
	if err != nil {
		return usagef("%s is run by `fivetuple exec` alone", insideName)
	}
	if err := mountFiles(&p); err != nil {
		return err
	}
	path, err := exec.LookPath(p.Args[0])
	if err != nil {
		return err
	}
	if err := tun.LoopbackUp(); err != nil {
		return err
	}
	for _, s := range p.Settings {
		if err := s.set(); err != nil {
			return err
		}
	}
	if err := p.open(conn); err != nil {
		return err
	}
	if p.Held {
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
			return errSilent // who would have said so is gone, and has said why
		}
	}
	unix.CloseOnExec(insideFD)
	return os.NewSyscallError("exec "+path, syscall.Exec(path, p.Args, os.Environ()))
}

// open makes the interfaces, and sends their descriptors.
func (p *plan) open(conn *os.File) error {
	if p.Tun != nil {
		return p.openTun(conn)
	}
	var fds []int
	for _, i := range p.Interfaces {
		f, err := tun.OpenFile(i.Name, i.MAC)
		if err != nil {
			return err
		}
		quieten(i)
		if err := tun.Configure(i.Name, i.Addrs, i.direct(), i.MTU); err != nil {
			return err
		}
		if err := i.routeVia(); err != nil {
			return err
		}
		fds = append(fds, int(f.Fd()))
	}
	return p.send(conn, ready{}, fds)
}

// openTun makes the one interface as the session itself would.
func (p *plan) openTun(conn *os.File) error {
	i := p.Interfaces[0]
	dev, err := tun.Open(tun.Config{Name: i.Name, MTU: i.MTU, Mode: p.Tun.Mode, Offload: p.Tun.Offload})
	if err != nil {
		return err
	}
	quieten(i)
	if err := tun.Configure(i.Name, i.Addrs, i.direct(), i.MTU); err != nil {
		return err
	}
	return tun.Pass(dev, func(fd int, passed tun.Passed) error { return p.send(conn, ready{Tun: &passed}, []int{fd}) })
}

func (p *plan) send(conn *os.File, said ready, fds []int) error {
	if p.Diag {
		fds = said.addDiag(fds, p.Interfaces)
	}
	text, err := json.Marshal(said)
	if err != nil {
		return err
	}
	return os.NewSyscallError("sendmsg", unix.Sendmsg(int(conn.Fd()), text, unix.UnixRights(fds...), nil, 0))
}

// addDiag adds a socket that asks for connections in this namespace.
func (r *ready) addDiag(fds []int, interfaces []planInterface) []int {
	var devices []int
	for _, p := range interfaces {
		i, err := net.InterfaceByName(p.Name)
		if err != nil {
			r.NoDiag = err.Error()
			return fds
		}
		devices = append(devices, i.Index)
	}
	fd, err := sockdiag.OpenFD()
	if err != nil {
		r.NoDiag = err.Error()
		return fds
	}
	r.Devices = devices
	return append(fds, fd)
}

// quieten keeps the namespace's kernel from sending what no program asked for:
// router solicitations, duplicate address detection, and all of IPv6 where the
// lab has none. Without it the trace has more in it, so an error is none.
func quieten(i planInterface) {
	settings := map[string]string{"disable_ipv6": "1"}
	if slices.ContainsFunc(slices.Concat(i.Addrs, i.direct()), func(p netip.Prefix) bool { return p.Addr().Is6() }) {
		settings = map[string]string{"router_solicitations": "0", "accept_dad": "0"}
	}
	for setting, value := range settings {
		_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+i.Name+"/"+setting, []byte(value), 0)
	}
}

// mountFiles puts files in the place of the machine's, in this mount namespace
// alone.
func mountFiles(p *plan) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return os.NewSyscallError("mount --make-rprivate /", err)
	}
	for _, m := range []struct{ from, to string }{{p.Hosts, "/etc/hosts"}, {p.Resolv, "/etc/resolv.conf"}} {
		if m.from == "" {
			continue
		}
		err := unix.Mount(m.from, m.to, "", unix.MS_BIND, "")
		if errors.Is(err, unix.ENOENT) && m.to == "/etc/hosts" {
			continue // a system without that file: programs use addresses
		}
		if err != nil {
			return os.NewSyscallError("mount --bind "+m.from+" "+m.to, err)
		}
	}
	return nil
}
