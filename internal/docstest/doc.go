// Package docstest holds the tests of the documentation: the Go in README.md and
// docs/ compiles, and does what the text around it says.
package docstest
