package main

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// privileges are those of a user: what is left after --user.
type privileges struct {
	name     string
	uid, gid int
}

// lookUpUser reads --user; an empty name is nobody.
func lookUpUser(name string) (*privileges, error) {
	if name == "" {
		return nil, nil
	}
	found, err := user.Lookup(name)
	if err != nil {
		if found, err = user.LookupId(name); err != nil {
			return nil, usagef("--user %q: no such user on this machine", name)
		}
	}
	uid, err1 := strconv.Atoi(found.Uid)
	gid, err2 := strconv.Atoi(found.Gid)
	if err1 != nil || err2 != nil {
		return nil, usagef("--user %q: its numbers are %s and %s", name, found.Uid, found.Gid)
	}
	return &privileges{name, uid, gid}, nil
}

// become gives up all privileges but the user's, for good. The kernel takes the
// capabilities away with the user number 0: capabilities(7). A device, files
// and sockets that are open stay so.
func (p *privileges) become() error {
	if p == nil {
		return nil
	}
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"setgroups", func() error { return syscall.Setgroups([]int{p.gid}) }},
		{"setgid", func() error { return syscall.Setgid(p.gid) }},
		{"setuid", func() error { return syscall.Setuid(p.uid) }},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("--user %s: %s: %w; only root can become somebody else", p.name, step.what, err)
		}
	}
	return p.leaveRuntimeDir()
}

// leaveRuntimeDir forgets the folder of the user's sockets, unless it is that of the
// new user.
func (p *privileges) leaveRuntimeDir() error {
	info, err := os.Stat(os.Getenv("XDG_RUNTIME_DIR"))
	if err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) == p.uid {
			return nil
		}
	}
	return os.Unsetenv("XDG_RUNTIME_DIR")
}
