package tun_test

import (
	"net/netip"
	"os"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"

	"fivetuple/tun"
)

func prefixes(texts ...string) (ps []netip.Prefix) {
	for _, text := range texts {
		ps = append(ps, netip.MustParsePrefix(text))
	}
	return ps
}

// state is what Configure may change of a device, in a form that can be compared.
type state struct {
	MTU           int
	Up            bool
	Addrs, Routes []string
}

// stateOf leaves out what the kernel adds on its own: link-local addresses, multicast and connected routes.
func stateOf(t *testing.T, name string) (s state) {
	t.Helper()
	link, err := netlink.LinkByName(name)
	require.NoError(t, err)
	s.MTU, s.Up = link.Attrs().MTU, link.Attrs().RawFlags&syscall.IFF_UP != 0
	addrs, err := netlink.AddrList(link, netlink.FAMILY_ALL)
	require.NoError(t, err)
	for _, a := range addrs {
		if !a.IP.IsLinkLocalUnicast() {
			s.Addrs = append(s.Addrs, a.IPNet.String())
		}
		require.Zero(t, a.Flags&syscall.IFA_F_TENTATIVE, "%s is not usable yet", a)
	}
	routes, err := netlink.RouteList(link, netlink.FAMILY_ALL)
	require.NoError(t, err)
	for _, r := range routes {
		if r.Protocol != syscall.RTPROT_KERNEL {
			s.Routes = append(s.Routes, r.Dst.String())
		}
	}
	slices.Sort(s.Routes)
	return s
}

func TestConfigure(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	open(t, tun.Config{Name: "ft0"})
	require.NoError(t, tun.Configure("ft0",
		prefixes("10.77.0.1/24", "10.78.0.1/32", "fd77::1/64"),
		prefixes("10.77.0.0/24", "10.99.0.0/16", "0.0.0.0/0", "fd77::/64", "fd99::/48", "::/0"), 1400))
	require.Equal(t, state{
		MTU: 1400, Up: true,
		Addrs:  []string{"10.77.0.1/24", "10.78.0.1/32", "fd77::1/64"},
		Routes: []string{"0.0.0.0/0", "10.99.0.0/16", "::/0", "fd99::/48"},
	}, stateOf(t, "ft0"))

	// A second call adds to what is there, and an MTU of 0 leaves the MTU alone.
	require.NoError(t, tun.Configure("ft0", prefixes("10.79.0.1/24"), nil, 0))
	require.Equal(t, 1400, stateOf(t, "ft0").MTU)
	require.Contains(t, stateOf(t, "ft0").Addrs, "10.79.0.1/24")
}

// Each case fails after the first changes; the device must look as if nothing had been tried.
func TestConfigureErrors(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	open(t, tun.Config{Name: "other0"})
	require.NoError(t, tun.Configure("other0", prefixes("10.66.0.1/24", "fd66::1/64"), prefixes("10.99.0.0/16"), 0))
	open(t, tun.Config{Name: "ft0"})
	before := stateOf(t, "ft0")
	require.Equal(t, state{MTU: 1500}, before)
	for _, c := range []struct {
		name          string
		addrs, routes []netip.Prefix
		mtu           int
		want          string
	}{
		{"IPv4 address taken", prefixes("10.77.0.1/24", "10.66.0.1/16"), nil, 1400,
			"address 10.66.0.1/16 is already assigned to other0: choose another host address"},
		{"IPv6 address taken", prefixes("fd77::1/64", "fd66::1/64"), nil, 1400,
			"address fd66::1/64 is already assigned to other0: choose another host address"},
		{"address given twice", prefixes("10.77.0.1/24", "10.77.0.1/24"), nil, 1400,
			"address 10.77.0.1/24 is given twice: leave one out"},
		{"address taken by the device itself, otherwise", prefixes("10.77.0.1/24", "10.77.0.1/16"), nil, 1400,
			"address 10.77.0.1/16 is already assigned to ft0: choose another host address"},
		{"route taken", prefixes("10.77.0.1/24", "fd77::1/64"), prefixes("10.98.0.0/16", "fd98::/64", "10.99.0.0/16"), 1400,
			"route 10.99.0.0/16 already exists: choose another network, or remove it: ip route del 10.99.0.0/16"},
		{"route with host bits", prefixes("10.77.0.1/24"), prefixes("10.98.0.1/16"), 1400,
			"route 10.98.0.1/16 has bits set beyond its prefix length: write 10.98.0.0/16"},
		{"IPv6 with a small MTU", prefixes("fd77::1/64"), nil, 1279,
			"address fd77::1/64 needs an MTU of at least 1280, not 1279: raise the MTU, or leave IPv6 out"},
		{"no prefix", []netip.Prefix{{}}, nil, 0,
			"address invalid Prefix is not valid: write it like 10.77.0.1/24 or fd77::1/64"},
		{"MTU", nil, nil, 65521, "an MTU of 65521 is out of range: use 576 to 65520"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := tun.Configure("ft0", c.addrs, c.routes, c.mtu)
			require.EqualError(t, err, c.want)
			require.ErrorAs(t, err, new(*tun.Error))
			require.Equal(t, before, stateOf(t, "ft0"))
		})
	}
}

// TestConfigureReady: a device that somebody has made ready needs no privilege.
func TestConfigureReady(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	open(t, tun.Config{Name: "ft0"})
	addrs := prefixes("10.77.0.1/24", "fd77::1/64")
	require.NoError(t, tun.Configure("ft0", addrs, nil, 1400))
	ready := stateOf(t, "ft0")
	withoutNetAdmin(t, func() { require.NoError(t, tun.Configure("ft0", addrs, nil, 1400)) })
	require.Equal(t, ready, stateOf(t, "ft0"))
}

func TestConfigureWithoutMeans(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	t.Run("no device", func(t *testing.T) {
		require.EqualError(t, tun.Configure("ft9", nil, nil, 0), "device ft9 does not exist: open it first")
	})
	open(t, tun.Config{Name: "ft0"})
	before := stateOf(t, "ft0")
	t.Run("IPv6 disabled", func(t *testing.T) {
		const knob = "/proc/sys/net/ipv6/conf/ft0/disable_ipv6" // belongs to this namespace's device
		require.NoError(t, os.WriteFile(knob, []byte("1"), 0))
		defer os.WriteFile(knob, []byte("0"), 0)
		require.EqualError(t, tun.Configure("ft0", prefixes("10.77.0.1/24", "fd77::1/64"), nil, 1400),
			"add address fd77::1/64: IPv6 is disabled on ft0: sysctl net.ipv6.conf.ft0.disable_ipv6=0")
		require.Equal(t, before, stateOf(t, "ft0"))
	})
	t.Run("no privilege", func(t *testing.T) {
		withoutNetAdmin(t, func() {
			err := tun.Configure("ft0", prefixes("10.77.0.1/24"), nil, 0)
			const want = "bring up ft0: operation not permitted: run as root, or "
			if err == nil || len(err.Error()) < len(want) || err.Error()[:len(want)] != want {
				t.Errorf("got %v", err)
			}
		})
		require.Equal(t, before, stateOf(t, "ft0"))
	})
}
