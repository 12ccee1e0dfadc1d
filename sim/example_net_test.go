package sim_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"

	"fivetuple/sim"

	"github.com/stretchr/testify/require"
)

// The server and the client of net/http, each on a stack of its own, in step
// with the wall clock.
func ExampleHost_Net() {
	w := sim.New(sim.Config{Seed: 7})
	defer w.Close()
	client, _ := w.AddHost(sim.HostConfig{Name: "client", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
	server, _ := w.AddHost(sim.HostConfig{Name: "server", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}})
	if _, err := w.Connect(client, server, sim.LinkConfig{}); err != nil {
		fmt.Println(err)
		return
	}
	curl, httpd := client.Net("curl"), server.Net("httpd")
	ctx, stop := context.WithCancel(context.Background())

	go func() {
		defer stop()
		l, err := httpd.Listen("tcp", ":80")
		if err != nil {
			fmt.Println(err)
			return
		}
		s := http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			fmt.Fprintln(rw, "hello from", r.Context().Value(http.LocalAddrContextKey))
		})}
		defer s.Close()
		go s.Serve(l)

		c := http.Client{Transport: &http.Transport{DialContext: curl.DialContext}}
		resp, err := c.Get("http://10.0.0.2/")
		if err != nil {
			fmt.Println(err)
			return
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		fmt.Printf("%s: %s", resp.Status, body)
		if err != nil {
			fmt.Println(err)
		}
	}()
	if err := w.RunPaced(ctx, sim.Forever); err != nil { // this goroutine runs the world
		fmt.Println(err)
	}
	// Output: 200 OK: hello from 10.0.0.2:80
}

// TestNetPage keeps the examples in docs/net.md what the tests run.
func TestNetPage(t *testing.T) {
	page, err := os.ReadFile("../docs/net.md")
	require.NoError(t, err)
	for file, name := range map[string]string{"example_net_test.go": "ExampleHost_Net", "../sockapi/example_test.go": "ExampleProc_Net"} {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Contains(t, string(page), function(string(source), name), "docs/net.md shows %s of %s as it is", name, file)
	}
}

// function is the source of one function.
func function(source, name string) string {
	_, body, _ := strings.Cut(source, "func "+name+"() {\n")
	body, _, _ = strings.Cut(body, "\n}\n")
	return "func " + name + "() {\n" + body + "\n}\n"
}
