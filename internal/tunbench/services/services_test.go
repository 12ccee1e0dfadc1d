package services_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strings"
	"testing"

	"fivetuple/internal/tunbench/services"

	"github.com/stretchr/testify/require"
)

// start serves on loopback, on ports that are free, and returns how to connect
// to a service by its own port.
func start(t *testing.T) func(port uint16) net.Conn {
	t.Helper()
	at := make(map[uint16]string)
	err := services.Start(func(port uint16) (net.Listener, error) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err == nil {
			at[port] = l.Addr().String()
			t.Cleanup(func() { _ = l.Close() })
		}
		return l, err
	})
	require.NoError(t, err)
	return func(port uint16) net.Conn {
		c, err := net.Dial("tcp", at[port])
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
}

func TestEcho(t *testing.T) {
	c := start(t)(7)
	want := bytes.Repeat([]byte("0123456789"), 1000) // longer than the first buffer, so that it is exchanged
	go func() { _, _ = c.Write(want) }()
	got := make([]byte, len(want))
	_, err := io.ReadFull(c, got)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// The sender of a bulk transfer takes the end of the server's side for the sign
// that everything was read.
func TestDiscardEndsAfterItsInput(t *testing.T) {
	c := start(t)(9)
	_, err := c.Write(make([]byte, services.IOSize))
	require.NoError(t, err)
	require.NoError(t, c.(*net.TCPConn).CloseWrite())
	b, err := io.ReadAll(c)
	require.NoError(t, err)
	require.Empty(t, b)
}

func TestChargen(t *testing.T) {
	got := make([]byte, 2*services.IOSize)
	_, err := io.ReadFull(start(t)(19), got)
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("0123456789abcdef", len(got)/16), string(got))
}

// The client takes ".\n" for the end of an answer, and keeps the connection.
func TestPage(t *testing.T) {
	c := start(t)(80)
	r := bufio.NewReader(c)
	for range 2 {
		_, err := io.WriteString(c, "GET /x HTTP/1.1\r\nHost: bench\r\n\r\n")
		require.NoError(t, err)
		line, err := r.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "HTTP/1.1 200 OK\r\n", line)
		for line != "You asked for /x.\n" {
			line, err = r.ReadString('\n')
			require.NoError(t, err)
		}
		require.Zero(t, r.Buffered(), "the answer goes on behind its end")
	}
}
