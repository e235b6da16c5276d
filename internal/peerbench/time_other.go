//go:build !unix

package main

import "time"

// processTime is the clock's where the processor's is not to be had.
func processTime() time.Duration { return time.Since(started) }
