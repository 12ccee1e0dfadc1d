// Command scale shows how the simulator behaves with many connections. Each
// load runs in a process of its own, so that its peak memory is its own, and
// several times; the table has medians.
//
// The loads, all in virtual time, and but for the last without a sink on the trace:
//
//   - epoll: one server thread holds every connection in one epoll instance,
//     and one client process in another; all are open together, and in each
//     round each of them carries a request and its answer.
//   - idle: established connections from several clients to one server, over
//     which nothing is sent.
//   - threads: as epoll, but with a thread per connection on both sides.
//   - traced: as epoll, but with a sink on the trace; not in the default table,
//     because it is not linear.
//
// A load is linear if the columns per connection do not grow with its size.
// `make scale` runs it; TestLinear proves what can be proved without a clock.
package main
