// Package archtest holds the repository's shape as tests: who may import whom,
// who may read a clock, how long files and functions may be.
//
// There is nothing here but tests. The rules are data, in rules_test.go, and
// each has its reason, which is part of the message when it is broken. The
// tests read the source of every file, whatever its build tags, so the rules
// hold for the platforms that this machine does not build.
package archtest
