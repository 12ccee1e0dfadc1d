// Package ss is ss(8) for the sockets of one host: its options, its filters and
// its output. The command line and the scenario language share it.
//
//	Options  the flags, with ss's letters
//	Query    what to show: states and an expression, from flags and filter words
//	Filter   state WORD, exclude WORD, then an expression: dst 10.0.0.0/8 and dport = :80
//
// The grammar of filters is that of ss(8), sections STATE-FILTER, EXPRESSION
// and HOST SYNTAX. Names of hosts are not resolved.
package ss
