// Package archtest has no code, only the test that packages import each other
// as docs/architecture.md says.
package archtest
