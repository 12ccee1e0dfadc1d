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
	listener, err := n.Listen("tcp", fmt.Sprintf(":%d", l.filesPort()))
	if err == nil {
		l.world.Look(ctx, ready)
		server := http.Server{
			Handler:  http.FileServer(http.Dir(l.files)),
			ErrorLog: log.New(l.complaints, "files: ", 0),
		}
		err = server.Serve(listener)
	}
	if !errors.Is(err, net.ErrClosed) {
		l.world.Look(ctx, func() { l.world.Fail(fmt.Errorf("files: %w", err)) })
	}
}
