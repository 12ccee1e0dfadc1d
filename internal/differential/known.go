package main

// knownDifference is a case whose outcome differs from Linux's, and why.
type knownDifference struct{ name, cause string }

// known is the list that docs/limits.md explains.
var known = []knownDifference{
	{"tcp refused: names", "after a refused connect Linux keeps the ephemeral port; netstack's end point cannot be used again, so the socket gets a new one, without a port"},
	{"tcp peer has reset: bind", "after a reset Linux lets go of the port, so the socket can be bound again; netstack's end point cannot"},
}
