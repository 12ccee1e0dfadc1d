// Package table prints what a host has at one instant: its sockets as ss(8)
// lists them, and the descriptors of its processes.
//
//	SS       Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port Process
//	FDs      server  httpd  fd 3  tcp 10.0.0.2:80 → *  LISTEN
//	SSJSON   the same as SS as JSON, which ss itself lacks
//	FDsJSON  the same as FDs as JSON
//
// Columns are as wide as their contents. Everything is printed in the order
// in which it is given.
package table
