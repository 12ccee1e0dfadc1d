// Package star is the Starlark front end: it runs scenarios.
//
// Main types:
//
//	Scenario  a parsed script: its name and claim
//	Config    how to run it: seed, sinks, limits, or a live world
//	Result    what came of it: the world, the expectations met and failed
//
// A scenario is a Python-like script. Its docstring is the claim it proves. It
// builds hosts and links, starts processes, which are plain functions that call
// sockets by their usual names, runs the world, and states what it expects. The
// language is described in docs/scenarios.md; each builtin here is a thin skin
// over sim and sockapi.
//
// Errors start with "file:line:". A script belongs to the goroutine that runs
// its world: process functions are coroutines on it.
package star
