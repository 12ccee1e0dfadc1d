package main

import (
	"encoding/json"
	"errors"
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
// program's namespaces; insideFD is where it is told what to do, and says [ready].
const (
	insideName = "exec-inside"
	insideFD   = 3
)

// ready is what comes with the descriptors of the devices, or instead of them.
type ready struct {
	Error   string `json:",omitempty"` // why there are none
	Devices []int  `json:",omitempty"` // their numbers, if a socket that asks for connections follows them
	NoDiag  string `json:",omitempty"` // why that socket does not
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
			text, _ := json.Marshal(ready{Error: err.Error()}) // a struct of texts and numbers
			if _, sendErr := conn.Write(text); sendErr != nil {
				return usagef("%s is run by `fivetuple exec` alone", insideName)
			}
			return errSilent
		},
	}
}

// becomeProgram sets up the namespaces, and execs the program: it returns only
// with an error.
func becomeProgram(conn *os.File) error {
	buf := make([]byte, 1<<16)
	n, err := conn.Read(buf)
	if err != nil {
		return err
	}
	var p plan
	if err := json.Unmarshal(buf[:n], &p); err != nil {
		return err
	}
	if err := mountHosts(p.Hosts); err != nil {
		return err
	}
	path, err := exec.LookPath(p.Args[0])
	if err != nil {
		return err
	}
	if err := tun.LoopbackUp(); err != nil {
		return err
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
	var said ready
	if p.Diag {
		fds = said.addDiag(fds, p.Interfaces)
	}
	text, err := json.Marshal(said)
	if err != nil {
		return err
	}
	if err := unix.Sendmsg(int(conn.Fd()), text, unix.UnixRights(fds...), nil, 0); err != nil {
		return os.NewSyscallError("sendmsg", err)
	}
	conn.Close()
	return os.NewSyscallError("exec "+path, syscall.Exec(path, p.Args, os.Environ()))
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

// mountHosts puts the lab's names in the place of /etc/hosts, in this mount
// namespace alone.
func mountHosts(names string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return os.NewSyscallError("mount --make-rprivate /", err)
	}
	err := unix.Mount(names, "/etc/hosts", "", unix.MS_BIND, "")
	if errors.Is(err, unix.ENOENT) {
		return nil // a system without that file: programs use addresses
	}
	return os.NewSyscallError("mount --bind "+names+" /etc/hosts", err)
}
