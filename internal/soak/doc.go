// Command soak loads `fivetuple up` for a long time and then mistreats it, in a
// network namespace that ends with it. It needs root, iperf3, curl and ping:
//
//	go run ./internal/soak -fivetuple bin/fivetuple -for 10m
//
// Parts, chosen with -only:
//
//	load       iperf3 in both directions and in parallel, downloads, flood pings
//	           and a session over an impaired link, all at once
//	incidents  a client is killed, the device goes down, an address goes away, the
//	           disk is full, the control socket is flooded, another user asks
//	idle       connections that do nothing
//	conns      short connections one after the other: memory before and after
//	record     a load that is recorded; its replays; a byte of it changed
//
// Each line of the output is one claim, `ok` or `FAIL`, with what was seen. The
// exit status is 1 if one failed.
package main
