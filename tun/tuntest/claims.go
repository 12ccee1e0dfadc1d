package tuntest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"fivetuple/tun"
)

func testIdentity(t *testing.T, f *fixture) {
	name, mtu := f.dev.Name(), f.dev.MTU()
	require.NotEmpty(t, name)
	require.Positive(t, mtu)
	require.NoError(t, f.dev.Close())
	require.Equal(t, name, f.dev.Name(), "after Close")
	require.Equal(t, mtu, f.dev.MTU(), "after Close")
}

func testRead(t *testing.T, f *fixture) {
	buf := f.buffer()
	for i, size := range f.sizes() {
		want := pattern(i, size)
		require.NoError(t, f.peer.Send(want))
		got, err := f.read(buf)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func testWrite(t *testing.T, f *fixture) {
	for i, size := range f.sizes() {
		want := pattern(i, size)
		require.NoError(t, f.write(want))
		got, err := f.peer.Receive(f.ctx)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

// burst is how many packets are under way at once: few enough for every queue there is, so none is lost.
const burst = 16

func testOrder(t *testing.T, f *fixture) {
	for i := range burst {
		require.NoError(t, f.peer.Send(pattern(i, 10+i)))
	}
	buf := f.buffer()
	for i := range burst {
		got, err := f.read(buf)
		require.NoError(t, err)
		require.Equal(t, pattern(i, 10+i), got, "read %d", i)
	}
	for i := range burst {
		require.NoError(t, f.write(pattern(i, 10+i)))
	}
	for i := range burst {
		got, err := f.peer.Receive(f.ctx)
		require.NoError(t, err)
		require.Equal(t, pattern(i, 10+i), got, "received %d", i)
	}
}

// testBothWays runs a ping-pong in each direction at once, so that a Read is blocked while Writes happen
// and nothing can be lost for want of room. Under the race detector it also shows what is shared.
func testBothWays(t *testing.T, f *fixture) {
	const rounds = 200
	received := make(chan struct{}, 1) // paces the device's writes by the peer's receipt
	var out, in sync.WaitGroup
	wait := func() { out.Wait(); in.Wait() }
	t.Cleanup(wait) // should the test end early
	out.Go(func() {
		for i := range rounds {
			if err := f.write(pattern(i, 64)); err != nil {
				t.Errorf("write %d: %v", i, err)
				return
			}
			select {
			case <-received:
			case <-f.ctx.Done():
				return
			}
		}
	})
	in.Go(func() {
		for i := range rounds {
			if err := expect(f.ctx, f.peer, pattern(i, 64)); err != nil {
				t.Errorf("receive %d: %v", i, err)
				return
			}
			received <- struct{}{}
		}
	})
	buf := f.buffer()
	for i := range rounds {
		require.NoError(t, f.peer.Send(pattern(i, 65)))
		got, err := f.read(buf)
		require.NoError(t, err)
		require.Equal(t, pattern(i, 65), got)
	}
	wait()
}

// expect receives one datagram and compares it.
func expect(ctx context.Context, peer Peer, want []byte) error {
	got, err := peer.Receive(ctx)
	if err == nil && string(got) != string(want) {
		return fmt.Errorf("got % x, want % x", got, want)
	}
	return err
}

func testBufferOwnership(t *testing.T, f *fixture) {
	p := f.packet([]byte("mine"))
	n, err := f.dev.Write(p)
	require.NoError(t, err)
	require.Equal(t, len(p), n)
	clear(p)
	got, err := f.peer.Receive(f.ctx)
	require.NoError(t, err)
	require.Equal(t, "mine", string(got))

	first, second := f.buffer(), f.buffer()
	require.NoError(t, f.peer.Send([]byte("one")))
	one, err := f.read(first)
	require.NoError(t, err)
	require.NoError(t, f.peer.Send([]byte("two")))
	_, err = f.read(second)
	require.NoError(t, err)
	require.Equal(t, "one", string(one), "the second Read must not touch the buffer of the first")
}

func testShortBuffer(t *testing.T, f *fixture) {
	want := pattern(1, f.maxPayload())
	require.NoError(t, f.peer.Send(want))
	for _, size := range []int{0, f.dev.MTU() - 1} {
		n, err := f.dev.Read(make([]byte, size))
		require.ErrorIs(t, err, io.ErrShortBuffer, "%d bytes", size)
		require.Zero(t, n)
	}
	got, err := f.read(f.buffer())
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func testBadPackets(t *testing.T, f *fixture) {
	tooLong := f.packet(make([]byte, f.maxPayload()+1))
	wrongVersion := f.packet([]byte("x"))
	wrongVersion[0] = 5<<4 | wrongVersion[0]&0xf
	for _, bad := range []struct {
		name   string
		packet []byte
		want   error
	}{
		{"longer than the MTU", tooLong, tun.ErrTooLong},
		{"version 5", wrongVersion, tun.ErrNotIP},
		{"empty", []byte{}, tun.ErrNotIP},
		{"nil", nil, tun.ErrNotIP},
	} {
		n, err := f.dev.Write(bad.packet)
		require.ErrorIs(t, err, bad.want, bad.name)
		require.Zero(t, n, bad.name)
	}
	require.NoError(t, f.write([]byte("still alive")))
	require.NoError(t, expect(f.ctx, f.peer, []byte("still alive")), "nothing else may arrive first")
}

func testCloseUnblocksRead(t *testing.T, f *fixture) {
	result := make(chan error, 1)
	go func() { result <- readUntilError(f.dev) }()
	require.NoError(t, awaitParked(f.ctx, "tuntest.readUntilError("))
	require.NoError(t, f.dev.Close())
	select {
	case err := <-result:
		require.ErrorIs(t, err, os.ErrClosed)
	case <-f.ctx.Done():
		require.Fail(t, "Read is still blocked after Close")
	}
}

// readUntilError reads and discards packets. awaitParked finds it by its name.
func readUntilError(dev tun.Device) error {
	buf := make([]byte, dev.MTU())
	for {
		if _, err := dev.Read(buf); err != nil {
			return err
		}
	}
}

// awaitParked returns when a goroutine with a call to function in its stack is parked by the Go scheduler.
// A goroutine in a blocking system call does not count: Close could not unblock it.
func awaitParked(ctx context.Context, function string) error {
	buf := make([]byte, 1<<20)
	for ctx.Err() == nil {
		dump := string(buf[:runtime.Stack(buf, true)])
		for goroutine := range strings.SplitSeq(dump, "\n\n") {
			state, stack, _ := strings.Cut(goroutine, "\n") // "goroutine 7 [IO wait]:"
			if strings.Contains(stack, function) && !strings.Contains(state, "[run") &&
				!strings.Contains(state, "[syscall") {
				return nil
			}
		}
		runtime.Gosched()
	}
	return errors.New("no goroutine is parked in " + function)
}

func testAfterClose(t *testing.T, f *fixture) {
	require.NoError(t, f.peer.Send([]byte("queued before Close")))
	require.NoError(t, f.dev.Close())
	for _, buf := range [][]byte{f.buffer(), nil} {
		n, err := f.dev.Read(buf)
		require.ErrorIs(t, err, os.ErrClosed)
		require.Zero(t, n)
	}
	for _, p := range [][]byte{f.packet([]byte("late")), nil} {
		n, err := f.dev.Write(p)
		require.ErrorIs(t, err, os.ErrClosed)
		require.Zero(t, n)
	}
}

func testCloseTwice(t *testing.T, f *fixture) {
	var closers sync.WaitGroup
	for range 4 {
		closers.Go(func() {
			if err := f.dev.Close(); err != nil {
				t.Errorf("concurrent Close: %v", err)
			}
		})
	}
	closers.Wait()
	require.NoError(t, f.dev.Close(), "the last")
}
