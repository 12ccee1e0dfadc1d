package tun_test

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"fivetuple/tun"
	"fivetuple/tun/tuntest"
)

func TestPipeKeepsTheContract(t *testing.T) {
	for _, family := range []struct{ name, peer, device string }{
		{"IPv4", "10.77.0.1:5000", "10.77.0.2:7000"},
		{"IPv6", "[fd77::1]:5000", "[fd77::2]:7000"},
	} {
		t.Run(family.name, func(t *testing.T) {
			tuntest.TestDevice(t, func(t *testing.T) (tun.Device, tuntest.Peer) {
				a, b := tun.Pipe("mem", 1500, 64)
				t.Cleanup(func() { b.Close() })
				return a, &pipePeer{
					end: b, addr: netip.MustParseAddrPort(family.peer), device: netip.MustParseAddrPort(family.device),
				}
			})
		})
	}
}

// pipePeer speaks UDP on the other end of a Pipe.
type pipePeer struct {
	end          tun.Device
	addr, device netip.AddrPort
}

func (p *pipePeer) Addr() netip.AddrPort       { return p.addr }
func (p *pipePeer) DeviceAddr() netip.AddrPort { return p.device }

func (p *pipePeer) Send(payload []byte) error {
	_, err := p.end.Write(tuntest.UDP(p.addr, p.device, payload))
	return err
}

func (p *pipePeer) Receive(ctx context.Context) ([]byte, error) {
	defer context.AfterFunc(ctx, func() { p.end.Close() })()
	buf := make([]byte, p.end.MTU())
	n, err := p.end.Read(buf)
	if err != nil {
		return nil, err
	}
	src, dst, payload, err := tuntest.ParseUDP(buf[:n])
	if err == nil && (src != p.device || dst != p.addr) {
		err = fmt.Errorf("got a packet from %s to %s", src, dst)
	}
	return payload, err
}

var aPacket = tuntest.UDP(
	netip.MustParseAddrPort("10.0.0.1:1"), netip.MustParseAddrPort("10.0.0.2:2"), []byte("payload"))

func TestPipeNamesItsEnds(t *testing.T) {
	a, b := tun.Pipe("lab", 9000, 0)
	require.Equal(t, []any{"lab-a", 9000}, []any{a.Name(), a.MTU()})
	require.Equal(t, []any{"lab-b", 9000}, []any{b.Name(), b.MTU()})
}

func TestPipePeerCloses(t *testing.T) {
	a, b := tun.Pipe("mem", 1500, 1)
	_, err := a.Write(aPacket)
	require.NoError(t, err)
	require.NoError(t, a.Close())

	buf := make([]byte, b.MTU())
	n, err := b.Read(buf)
	require.NoError(t, err, "a queued packet outlives its sender")
	require.Equal(t, aPacket, buf[:n])
	_, err = b.Read(buf)
	require.Equal(t, io.EOF, err)
	_, err = b.Write(aPacket)
	require.ErrorIs(t, err, io.ErrClosedPipe)
	require.NotErrorIs(t, err, os.ErrClosed, "this end is still open")
	require.EqualError(t, err, "write mem-b: the other end is closed")
}

// A blocked call must see what ends it. synctest proves that the call is blocked before that happens.
func TestPipeUnblocks(t *testing.T) {
	read := func(d tun.Device) error { _, err := d.Read(make([]byte, d.MTU())); return err }
	write := func(d tun.Device) error { _, err := d.Write(aPacket); return err }
	own := func(a, _ tun.Device) { a.Close() }
	peers := func(_, b tun.Device) { b.Close() }
	for _, c := range []struct {
		name string
		call func(tun.Device) error
		end  func(a, b tun.Device)
		want error
	}{
		{"Read by Close", read, own, os.ErrClosed},
		{"Write by Close", write, own, os.ErrClosed},
		{"Read by the peer's Close", read, peers, io.EOF},
		{"Write by the peer's Close", write, peers, io.ErrClosedPipe},
		{"Read by a packet", read, func(_, b tun.Device) { b.Write(aPacket) }, nil},
		{"Write by the peer's Read", write, func(_, b tun.Device) { read(b) }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := tun.Pipe("mem", 1500, 0)
				result := make(chan error, 1)
				go func() { result <- c.call(a) }()
				synctest.Wait()
				require.Empty(t, result, "the call must block")
				c.end(a, b)
				require.ErrorIs(t, <-result, c.want)
			})
		})
	}
}

func TestPipeRefusesNonsense(t *testing.T) {
	require.Panics(t, func() { tun.Pipe("mem", 0, 1) })
	require.Panics(t, func() { tun.Pipe("mem", 1500, -1) })
}
