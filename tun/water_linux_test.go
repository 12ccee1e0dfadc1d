package tun_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"

	"fivetuple/tun"
	"fivetuple/tun/tuntest"
)

func TestModesKeepTheContract(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	for _, c := range []struct {
		name, host, device string
		mtu                int
	}{
		{"IPv4", "10.77.0.1/24", "10.77.0.2:7000", tun.DefaultMTU},
		{"IPv6", "fd77::1/64", "[fd77::2]:7000", tun.DefaultMTU},
		{"IPv4 with the smallest MTU", "10.77.0.1/24", "10.77.0.2:7000", tun.MinMTU},
		{"IPv4 with the largest MTU", "10.77.0.1/24", "10.77.0.2:7000", tun.MaxMTU},
		{"IPv6 with the largest MTU", "fd77::1/64", "[fd77::2]:7000", tun.MaxMTU},
	} {
		for _, m := range []tun.Config{{Mode: tun.Vnet, Offload: true}, {Mode: tun.Vnet}, {Mode: tun.Raw}, {Mode: tun.Water}} {
			name := string(m.Mode)
			if m.Offload {
				name += " on"
			}
			t.Run(c.name+", "+name, func(t *testing.T) {
				tuntest.TestDevice(t, func(t *testing.T) (tun.Device, tuntest.Peer) {
					m.Name, m.MTU = "ft0", c.mtu
					dev := open(t, m)
					return dev, configure(t, dev, c.host, c.device)
				})
			})
		}
	}
}

// open makes a device that the test closes at its end, if it has not before.
func open(t *testing.T, cfg tun.Config) tun.Device {
	t.Helper()
	dev, err := tun.Open(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dev.Close()) })
	return dev
}

// configure gives the machine the address host on dev and returns the kernel as a peer.
func configure(t *testing.T, dev tun.Device, host, device string) *kernelPeer {
	t.Helper()
	addr := netip.MustParsePrefix(host)
	require.NoError(t, tun.Configure(dev.Name(), []netip.Prefix{addr}, nil, dev.MTU()))
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr.Addr(), 0)))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return &kernelPeer{conn: conn, device: netip.MustParseAddrPort(device)}
}

// kernelPeer is a UDP socket of the kernel that the device belongs to.
type kernelPeer struct {
	conn   *net.UDPConn
	device netip.AddrPort
}

func (p *kernelPeer) Addr() netip.AddrPort {
	return p.conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func (p *kernelPeer) DeviceAddr() netip.AddrPort { return p.device }

func (p *kernelPeer) Send(payload []byte) error {
	_, err := p.conn.WriteToUDPAddrPort(payload, p.device)
	return err
}

func (p *kernelPeer) Receive(ctx context.Context) ([]byte, error) {
	defer context.AfterFunc(ctx, func() { p.conn.SetReadDeadline(time.Unix(1, 0)) })()
	buf := make([]byte, 1<<16)
	n, from, err := p.conn.ReadFromUDPAddrPort(buf)
	if err == nil && from != p.device {
		err = errors.New("got a datagram from " + from.String())
	}
	return buf[:n], err
}

func exists(t *testing.T, name string) bool {
	t.Helper()
	_, err := netlink.LinkByName(name)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return false
	}
	require.NoError(t, err)
	return true
}

func TestOpenedDevice(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	t.Run("is gone after Close", func(t *testing.T) {
		dev := open(t, tun.Config{Name: "ft0"})
		configure(t, dev, "10.77.0.1/24", "10.77.0.2:7000")
		require.True(t, exists(t, "ft0"))
		require.NoError(t, dev.Close())
		require.False(t, exists(t, "ft0"))
	})
	t.Run("gets a name from the kernel and the default MTU", func(t *testing.T) {
		dev := open(t, tun.Config{})
		require.Equal(t, "tun0", dev.Name())
		require.Equal(t, tun.DefaultMTU, dev.MTU())
	})
	t.Run("has the MTU asked for before it is configured", func(t *testing.T) {
		open(t, tun.Config{Name: "ft0", MTU: 9000})
		link, err := netlink.LinkByName("ft0")
		require.NoError(t, err)
		require.Equal(t, 9000, link.Attrs().MTU)
	})
	t.Run("is not inherited by children", func(t *testing.T) {
		open(t, tun.Config{Name: "ft0"})
		require.Equal(t, []bool{true}, tunDescriptorsCloseOnExec(t))
	})
	t.Run("that was persistent before stays", func(t *testing.T) {
		persistent := &netlink.Tuntap{
			LinkAttrs: netlink.LinkAttrs{Name: "ft0"}, Mode: netlink.TUNTAP_MODE_TUN, Flags: netlink.TUNTAP_NO_PI,
		}
		require.NoError(t, netlink.LinkAdd(persistent))
		defer netlink.LinkDel(persistent)
		dev := open(t, tun.Config{Name: "ft0"})
		_, err := tun.Open(tun.Config{Name: "ft0"})
		require.ErrorIs(t, err, syscall.EBUSY)
		require.NoError(t, dev.Close())
		require.True(t, exists(t, "ft0"))
	})
}

// tunDescriptorsCloseOnExec says for each descriptor of /dev/net/tun whether it closes on exec.
func tunDescriptorsCloseOnExec(t *testing.T) (closes []bool) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, fd := range fds {
		if target, err := os.Readlink("/proc/self/fd/" + fd.Name()); err != nil || target != "/dev/net/tun" {
			continue
		}
		info, err := os.ReadFile("/proc/self/fdinfo/" + fd.Name())
		require.NoError(t, err)
		fields := strings.Fields(string(info)) // pos: 0 flags: 02004002 ...
		require.Equal(t, "flags:", fields[2])
		flags, err := strconv.ParseInt(fields[3], 8, 64)
		require.NoError(t, err)
		closes = append(closes, flags&syscall.O_CLOEXEC != 0)
	}
	return closes
}

func TestOpenErrors(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	fails := func(t *testing.T, cfg tun.Config, want error, text string) {
		t.Helper()
		_, err := tun.Open(cfg)
		require.ErrorIs(t, err, want)
		require.EqualError(t, err, text)
		require.ErrorAs(t, err, new(*tun.Error))
	}
	t.Run("busy", func(t *testing.T) {
		open(t, tun.Config{Name: "ft0"})
		fails(t, tun.Config{Name: "ft0"}, syscall.EBUSY,
			"device ft0 is in use by another process: choose another name")
		require.Len(t, tunDescriptorsCloseOnExec(t), 1, "a busy name costs no descriptor")
	})
	t.Run("not a TUN device", func(t *testing.T) {
		fails(t, tun.Config{Name: "lo"}, syscall.EEXIST,
			"device lo exists and is not a TUN device: choose another name")
	})
	t.Run("no privilege", func(t *testing.T) {
		withoutNetAdmin(t, func() {
			_, err := tun.Open(tun.Config{Name: "ft0"})
			if err == nil || !errors.Is(err, os.ErrPermission) || err.Error() !=
				"open /dev/net/tun: operation not permitted: run as root, or give the binary CAP_NET_ADMIN "+
					"(setcap cap_net_admin+ep), or use a network namespace: unshare -Urn" {
				t.Errorf("got %v", err)
			}
		})
		require.False(t, exists(t, "ft0"))
	})
}

func TestIOErrors(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	t.Run("write while down", func(t *testing.T) {
		dev := open(t, tun.Config{Name: "ft0"})
		_, err := dev.Write(aPacket)
		require.ErrorIs(t, err, syscall.EIO)
		require.EqualError(t, err, "write ft0: the device is down: bring it up: ip link set ft0 up")
	})
	t.Run("somebody raised the MTU", func(t *testing.T) {
		dev := open(t, tun.Config{Name: "ft0"})
		peer := configure(t, dev, "10.77.0.1/24", "10.77.0.2:7000")
		link, err := netlink.LinkByName("ft0")
		require.NoError(t, err)
		require.NoError(t, netlink.LinkSetMTU(link, 9000))
		require.NoError(t, peer.Send(make([]byte, 2000)))
		require.NoError(t, peer.Send([]byte("short")))
		payload, err := readUDP(dev)
		require.ErrorIs(t, err, tun.ErrTooLong)
		require.EqualError(t, err,
			"read ft0: a packet of 2028 bytes does not fit a buffer of 1500: set the MTU of ft0 back to 1500")
		require.Nil(t, payload)
		payload, err = readUDP(dev)
		require.NoError(t, err)
		require.Equal(t, "short", string(payload))
	})
	t.Run("somebody removed the device", func(t *testing.T) {
		dev := open(t, tun.Config{Name: "ft0"})
		link, err := netlink.LinkByName("ft0")
		require.NoError(t, err)
		result := make(chan error, 1)
		go func() {
			_, err := dev.Read(make([]byte, dev.MTU()))
			result <- err
		}()
		require.NoError(t, netlink.LinkDel(link))
		err = <-result
		require.ErrorIs(t, err, syscall.ENODEV)
		require.EqualError(t, err, "read ft0: the device was removed")
		_, err = dev.Write(aPacket)
		require.EqualError(t, err, "write ft0: the device was removed")
	})
}

// readUDP returns the payload of the next UDP datagram to port 7000, or the first error of the device.
func readUDP(dev tun.Device) ([]byte, error) {
	buf := make([]byte, dev.MTU())
	for {
		n, err := dev.Read(buf)
		if err != nil {
			return nil, err
		}
		if _, dst, payload, err := tuntest.ParseUDP(buf[:n]); err == nil && dst.Port() == 7000 {
			return payload, nil
		}
	}
}
