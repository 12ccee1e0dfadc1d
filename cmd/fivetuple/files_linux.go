package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"

	"fivetuple/sockapi"
)

// checkFiles refuses what is no directory.
func checkFiles(dir string) error {
	if dir == "" {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return usagef("--files %s: %v", dir, errors.Unwrap(err))
	}
	if !info.IsDir() {
		return usagef("--files %s: is not a directory", dir)
	}
	return nil
}

// filesPort is HTTP's, unless the http service has it.
func (c *upConfig) filesPort() int {
	if slices.ContainsFunc(c.serve, func(s service) bool { return s.name == "http" }) {
		return 8080
	}
	return 80
}

// serveFiles is net/http's file server on the stack. It calls ready when clients
// can connect, and returns when the run ends.
func (l *live) serveFiles(ctx context.Context, n *sockapi.Net, ready func()) {
	server := http.Server{
		Handler:  http.FileServer(http.Dir(l.files)),
		ErrorLog: log.New(l.complaints, "files: ", 0),
	}
	failed := func(err error) {
		if err != nil && !errors.Is(err, net.ErrClosed) {
			l.world.Look(ctx, func() { l.world.Fail(fmt.Errorf("files: %w", err)) })
		}
	}
	for _, a := range l.filesAddrs() {
		listener, err := n.Listen("tcp", net.JoinHostPort(a, strconv.Itoa(l.filesPort())))
		if err != nil {
			failed(err)
			return
		}
		go func() { failed(server.Serve(listener)) }()
	}
	l.world.Look(ctx, ready)
}

// filesAddrs are the addresses that the file server listens at: all, or each of
// the stack's own where there are others.
func (c *upConfig) filesAddrs() []string {
	if c.gateway == nil {
		return []string{""}
	}
	var out []string
	for _, a := range c.addrs {
		out = append(out, a.Addr().String())
	}
	return out
}
