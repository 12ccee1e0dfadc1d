package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// The protocol of the control socket: the client sends the command line as one
// JSON array of strings; the server answers with frames, one JSON object a
// line. The last one has a status.
type frame struct {
	Out    []byte `json:"out,omitempty"`    // standard output
	Err    string `json:"err,omitempty"`    // standard error
	Status *int   `json:"status,omitempty"` // the end
}

// controlDir is where the sockets of a user's sessions are.
func controlDir() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "fivetuple")
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("fivetuple-%d", os.Getuid()))
}

// controlPath is the socket of a session; name may be a path.
func controlPath(name string) string {
	if strings.ContainsRune(name, filepath.Separator) {
		return name
	}
	return filepath.Join(controlDir(), name+".sock")
}

// serveControl answers commands on the control socket until ctx is done. Only
// the session's user, and root, are answered. It returns the session's name:
// the device's with a number if that is taken, unless a name was asked for.
func (s *liveSession) serveControl(ctx context.Context, asked, device string) (name string, err error) {
	if name = asked; name == "" {
		name = device
	}
	folder := filepath.Dir(controlPath(name))
	if folder == controlDir() {
		if err := ownDir(folder); err != nil {
			return "", err
		}
	}
	unlock, err := lockFolder(folder)
	if err != nil {
		return "", fileError("--control "+name, err)
	}
	defer unlock()
	for n := 2; asked == "" && taken(controlPath(name)); n++ {
		name = fmt.Sprintf("%s-%d", device, n)
	}
	path := controlPath(name)
	if taken(path) {
		return "", fmt.Errorf("%s: another session has this control socket; choose another --control", path)
	}
	return name, s.listen(ctx, path)
}

// lockFolder keeps other sessions from taking a control socket in a folder between
// the look whether it is free and the bind.
func lockFolder(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, os.NewSyscallError("flock", err)
	}
	return func() { f.Close() }, nil
}

// taken reports whether a session has a control socket: one that was killed has left
// its file behind. EAGAIN is a session that many ask at once (unix(7)).
func taken(path string) bool {
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
	}
	return err == nil || errors.Is(err, unix.EAGAIN)
}

func (s *liveSession) listen(ctx context.Context, path string) error {
	if err := removeSocket(path); err != nil {
		return err
	}
	old := syscall.Umask(0o177) // the socket is ours from its first moment on
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	syscall.Umask(old)
	switch {
	case errors.Is(err, unix.EINVAL) && len(path) >= maxSocketPath:
		return fmt.Errorf("--control: the path of a socket has %d bytes at most, and %s has %d: choose a shorter one", maxSocketPath-1, path, len(path))
	case err != nil:
		return fmt.Errorf("--control %s: %w", path, err)
	}
	context.AfterFunc(ctx, func() { l.Close() }) // removes the file too
	go func() {
		for {
			c, err := l.AcceptUnix()
			if err != nil {
				return // closed
			}
			s.answers.Go(func() { s.answer(ctx, c) })
		}
	}()
	return nil
}

// maxSocketPath is the room for a path in a struct sockaddr_un, with the NUL at its
// end.
const maxSocketPath = 108

// removeSocket removes what a session that was killed has left behind. Any other
// file is somebody's.
func removeSocket(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fileError("--control "+path, err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("--control %s: that is a file, and no socket: choose another name", path)
	}
	return os.Remove(path)
}

// ownDir makes a folder that nobody else can use, or checks that it is one.
func ownDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("%w: set XDG_RUNTIME_DIR to a folder of this user, or give --control a path", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !info.IsDir() || info.Mode().Perm()&0o077 != 0 || ok && int(st.Uid) != os.Getuid() {
		return fmt.Errorf("%s is not a folder of this user alone: set XDG_RUNTIME_DIR, or give --control a path", dir)
	}
	return nil
}

// allowed reports whether the peer may command the session.
func allowed(c *net.UnixConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	ok := false
	err = raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		ok = err == nil && (int(cred.Uid) == os.Getuid() || cred.Uid == 0)
	})
	return err == nil && ok
}

// lastWords is how long a client may take to hear that the session has ended.
const lastWords = time.Second

// maxCommand bounds a command line.
const maxCommand = 64 << 10

// answer carries out one command.
func (s *liveSession) answer(ctx context.Context, c *net.UnixConn) {
	defer c.Close()
	defer context.AfterFunc(ctx, func() { // a client that does not read keeps nobody
		_ = c.SetDeadline(time.Now().Add(lastWords))
	})()
	out := &frames{to: json.NewEncoder(c)}
	if !allowed(c) {
		out.end(exitUsage, "this session belongs to another user")
		return
	}
	line, err := bufio.NewReader(io.LimitReader(c, maxCommand)).ReadBytes('\n')
	var args []string
	if err != nil || json.Unmarshal(line, &args) != nil || len(args) == 0 {
		out.end(exitUsage, "no command came")
		return
	}
	ctx, cancel := context.WithCancel(context.WithValue(ctx, sessionKey{}, s))
	defer cancel()
	go func() { // the client's end ends the command
		_, _ = io.Copy(io.Discard, c)
		cancel()
	}()
	cmd := root()
	cmd.SetArgs(args)
	cmd.SetOut(out)
	cmd.SetErr(notes{out})
	err = cmd.ExecuteContext(ctx)
	var text strings.Builder
	if err != nil && !errors.Is(err, context.Canceled) {
		report(&text, err)
	}
	out.end(exitStatus(context.Background(), err), strings.TrimSuffix(text.String(), "\n"))
}

// frames writes standard output as frames.
type frames struct {
	mu sync.Mutex
	to *json.Encoder
}

func (f *frames) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.to.Encode(frame{Out: b}); err != nil {
		return 0, err
	}
	return len(b), nil
}

// notes writes standard error as frames.
type notes struct{ *frames }

func (n notes) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.to.Encode(frame{Err: strings.TrimSuffix(string(b), "\n")}); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (f *frames) end(status int, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = f.to.Encode(frame{Err: text, Status: &status}) // a client that is gone has no use for it
}

// forward carries a command out in the session that name names, and ends with
// its status.
func forward(cmd *cobra.Command, name string) error {
	path := controlPath(strings.TrimPrefix(name, "@"))
	c, err := net.Dial("unix", path)
	if err != nil {
		return usagef("%s: no session answers at %s: %w%s", name, path, err, sessionHint())
	}
	defer c.Close()
	stop := context.AfterFunc(cmd.Context(), func() { c.Close() })
	defer stop()
	if err := json.NewEncoder(c).Encode(os.Args[1:]); err != nil {
		return err
	}
	dec := json.NewDecoder(c)
	for {
		var f frame
		if err := dec.Decode(&f); err != nil {
			if cmd.Context().Err() != nil && cmd.Name() == "trace" {
				return nil // Ctrl-C is how it ends
			}
			if cmd.Context().Err() != nil {
				return context.Cause(cmd.Context())
			}
			return fmt.Errorf("%s: the session has ended: %w", name, err)
		}
		if _, err := cmd.OutOrStdout().Write(f.Out); err != nil {
			return err
		}
		if f.Err != "" {
			fmt.Fprintln(cmd.ErrOrStderr(), f.Err)
		}
		if f.Status == nil {
			continue
		}
		if *f.Status != 0 {
			return programExit{*f.Status}
		}
		return nil
	}
}

// sessionHint lists the sessions that there are.
func sessionHint() string {
	found, _ := filepath.Glob(filepath.Join(controlDir(), "*.sock")) // the pattern is well formed
	var names []string
	for _, p := range found {
		if !taken(p) {
			continue
		}
		names = append(names, "@"+strings.TrimSuffix(filepath.Base(p), ".sock"))
	}
	if len(names) == 0 {
		return "; no session of this user runs: start one with `fivetuple up`, or look as the user who did (with sudo, that is root)"
	}
	return "; there are " + strings.Join(names, ", ")
}
