// Package packetdrill runs scripts in the language of packetdrill on netstack,
// in virtual time: docs/packetdrill.md.
//
//	Parse   a script's text → [Script], its syntax tree
//	Format  the inverse: parsing what it returns gives the same tree
//	Run     a Script → [Result]: a verdict, and where and why it is not a pass
//	Profile the verdicts that are expected of a set of scripts
//
// The files, in the order in which a script passes through them: lex.go,
// parse*.go, ast.go, format*.go, names.go; shell.go and sysctl.go for the
// command lines, which no shell ever sees; run.go for time, wire.go for
// packets, match.go for what they are compared by, call*.go for the socket
// calls, code.go for %{ }%.
package packetdrill
