package tun

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	remedyPrivilege = "run as root, or give the binary CAP_NET_ADMIN (setcap cap_net_admin+ep), " +
		"or use a network namespace: unshare -Urn"
	remedyName = "choose another name"
)

// openError explains why water could not open the device called name. Its errno comes either from
// open(2) of /dev/net/tun or from the TUNSETIFF ioctl (drivers/net/tun.c, tun_set_iff).
func openError(name string, err error) error {
	var errno unix.Errno
	errors.As(err, &errno)
	if name == "" {
		name = "tunN"
	}
	switch errno {
	case unix.EPERM, unix.EACCES:
		return &Error{Problem: "open /dev/net/tun: " + errno.Error(), Remedy: remedyPrivilege, Err: errno}
	case unix.ENOENT, unix.ENODEV, unix.ENXIO:
		return &Error{
			Problem: "open /dev/net/tun: " + errno.Error(),
			Remedy:  "load the driver (modprobe tun), or start the container with --device /dev/net/tun",
			Err:     errno,
		}
	case unix.EBUSY:
		return &Error{
			Problem: fmt.Sprintf("device %s is in use by another process", name), Remedy: remedyName, Err: errno,
		}
	case unix.EINVAL:
		return &Error{
			Problem: fmt.Sprintf("device %s exists and cannot be opened this way (multi_queue?)", name),
			Remedy:  remedyName, Err: errno,
		}
	}
	return &Error{Problem: fmt.Sprintf("open device %s: %v", name, err), Err: err}
}

// lookupError explains why netlink did not find the device called name.
func lookupError(name string, err error) error {
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return &Error{Problem: fmt.Sprintf("device %s does not exist", name), Remedy: "open it first", Err: unix.ENODEV}
	}
	return configError("look up device "+name, err)
}

// configError explains why the kernel refused a change; what says which, as in "add route 10.0.0.0/8".
func configError(what string, err error) error {
	if err == nil {
		return nil
	}
	e := &Error{Problem: fmt.Sprintf("%s: %v", what, err), Err: err}
	if errors.Is(err, os.ErrPermission) {
		e.Remedy = remedyPrivilege
	}
	return e
}

// deviceError adds the operation and the device to err, leaving out what os.File says about its file.
func deviceError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return &Error{Problem: fmt.Sprintf("%s %s: %v", op, name, err), Err: err}
}

// ioError explains a failed read or write.
func (d *file) ioError(op string, err error) error {
	switch {
	case errors.Is(err, ErrTooLong), errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case errors.Is(err, os.ErrClosed), d.closed.Load():
		return errClosed(op, d.name)
	case !d.attached():
		return &Error{Problem: fmt.Sprintf("%s %s: the device was removed", op, d.name), Err: unix.ENODEV}
	case errors.Is(err, unix.EIO):
		return &Error{
			Problem: fmt.Sprintf("%s %s: the device is down", op, d.name),
			Remedy:  "bring it up: ip link set " + d.name + " up",
			Err:     unix.EIO,
		}
	}
	return deviceError(op, d.name, err)
}

// attached reports whether the kernel's device still exists. A read of a removed one fails in Go's
// poller, without an errno, so the error of the read cannot tell.
func (d *file) attached() bool {
	conn, err := d.file.SyscallConn()
	if err != nil {
		return true
	}
	removed := false
	_ = conn.Control(func(fd uintptr) { // fails only if the file is closed: then nothing was removed
		var ifr unix.Ifreq
		removed = errors.Is(unix.IoctlIfreq(int(fd), unix.TUNGETIFF, &ifr), unix.EBADFD)
	})
	return !removed
}

// packetLen returns the length that the header of an IP packet states, or 0 if there is no such header.
func packetLen(p []byte) int {
	switch {
	case len(p) >= 20 && p[0]>>4 == 4:
		return int(binary.BigEndian.Uint16(p[2:])) // RFC 791 section 3.1: total length
	case len(p) >= 40 && p[0]>>4 == 6:
		return 40 + int(binary.BigEndian.Uint16(p[4:])) // RFC 8200 section 3: payload length
	}
	return 0
}
