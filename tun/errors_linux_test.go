package tun

import (
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// What water returns: a bare errno from open, an *os.SyscallError from ioctl.
func TestOpenErrorNamesTheRemedy(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"ioctl refused", os.NewSyscallError("ioctl", unix.EPERM),
			"open /dev/net/tun: operation not permitted: " + remedyPrivilege},
		{"open refused", unix.EACCES,
			"open /dev/net/tun: permission denied: " + remedyPrivilege},
		{"no device node", unix.ENOENT, "open /dev/net/tun: no such file or directory: " +
			"load the driver (modprobe tun), or start the container with --device /dev/net/tun"},
		{"no driver", unix.ENODEV, "open /dev/net/tun: no such device: " +
			"load the driver (modprobe tun), or start the container with --device /dev/net/tun"},
		{"busy", os.NewSyscallError("ioctl", unix.EBUSY),
			"device ft0 is in use by another process: choose another name"},
		{"multi-queue", os.NewSyscallError("ioctl", unix.EINVAL),
			"device ft0 exists and cannot be opened this way (multi_queue?): choose another name"},
		{"other errno", os.NewSyscallError("ioctl", unix.ENOMEM),
			"open device ft0: ioctl: cannot allocate memory"},
		{"no errno", errors.New("unknown device type"), "open device ft0: unknown device type"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := openError("ft0", c.err)
			require.EqualError(t, err, c.want)
			var errno unix.Errno
			if errors.As(c.err, &errno) {
				require.ErrorIs(t, err, errno)
			}
		})
	}
}

func TestPacketLen(t *testing.T) {
	v4, v6 := make([]byte, 20), make([]byte, 40)
	v4[0], v4[2], v4[3] = 0x45, 0x05, 0xdc
	v6[0], v6[4], v6[5] = 0x60, 0x05, 0xb4
	require.Equal(t, 1500, packetLen(v4))
	require.Equal(t, 1500, packetLen(v6))
	for _, junk := range [][]byte{nil, v4[:19], v6[:39], make([]byte, 60)} {
		require.Zero(t, packetLen(junk))
	}
}
