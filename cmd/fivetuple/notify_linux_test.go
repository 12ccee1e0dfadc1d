package main

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNotifyReady(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	defer l.Close()
	var complaints strings.Builder
	t.Setenv("NOTIFY_SOCKET", path)
	notifyReady(&complaints)
	b := make([]byte, 100)
	n, err := l.Read(b)
	require.NoError(t, err)
	require.Equal(t, "READY=1\nSTATUS=packets are answered", string(b[:n]))
	require.Empty(t, complaints.String())
	t.Setenv("NOTIFY_SOCKET", path+"none")
	notifyReady(&complaints)
	require.Contains(t, complaints.String(), "NOTIFY_SOCKET")
}
