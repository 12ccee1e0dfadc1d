package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// fileEnv is how large a file TestUpFiles downloads, in MiB: see
// docs/benchmarks.md.
const fileEnv = "FIVETUPLE_FILE_MB"

// sparseFile makes a file of size bytes with random ones in pages here and
// there, and returns its SHA-256.
func sparseFile(t *testing.T, path string, size int64) string {
	t.Helper()
	const pages = 100
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Truncate(size))
	rng := rand.New(rand.NewPCG(1, 2))
	source := rand.NewChaCha8([32]byte{3})
	page := make([]byte, 4096)
	for range pages {
		source.Read(page)
		_, err := f.WriteAt(page, rng.Int64N(size-int64(len(page))))
		require.NoError(t, err)
	}
	h := sha256.New()
	_, err = f.Seek(0, io.SeekStart)
	require.NoError(t, err)
	_, err = io.Copy(h, f)
	require.NoError(t, err)
	return fmt.Sprintf("%x", h.Sum(nil))
}

// TestUpFiles: curl downloads a large file from net/http's file server, a part
// of it, and a second file beside the http service.
func TestUpFiles(t *testing.T) {
	if !isLive(t) {
		return
	}
	size := int64(64 << 20)
	if mb := os.Getenv(fileEnv); mb != "" {
		n, err := strconv.ParseInt(mb, 10, 64)
		require.NoError(t, err, fileEnv)
		size = n << 20
	}
	dir := t.TempDir()
	want := sparseFile(t, filepath.Join(dir, "large"), size)
	write(t, dir, "small", "a small file")

	p := start(t, dir, "fivetuple", upArgs("-q", "--files", dir)...)
	p.await("; files of " + dir + " on port 80")
	tool(t, nil, "curl", "-sSf", "--max-time", "600", "-o", filepath.Join(dir, "got"), "http://"+lab4+"/large")
	got, err := os.Open(filepath.Join(dir, "got"))
	require.NoError(t, err)
	defer got.Close()
	h := sha256.New()
	_, err = io.Copy(h, got)
	require.NoError(t, err)
	require.Equal(t, want, fmt.Sprintf("%x", h.Sum(nil)))
	require.Equal(t, "all f", tool(t, nil, "curl", "-sSf", "-r", "4-8", "http://["+lab6+"]/small"))
	status := exec.CommandContext(t.Context(), "curl", "-sf", "http://"+lab4+"/nothing")
	require.Error(t, status.Run(), "404")
	p.stop()

	p = up(t, dir, "--files", dir)
	page := tool(t, nil, "curl", "-sSf", "http://"+lab4+"/", "http://"+lab4+":8080/small")
	require.Contains(t, page, "remote port")
	require.Contains(t, page, "a small file")
	p.stop()
	require.Contains(t, read(t, dir, "s.txt"), "files", "its calls are in the ladder")
	requireValid(t, dir)
}
