//go:build !unix

package main

import (
	"os"
	"time"
)

// processTime is the clock's where the processor's is not to be had.
func processTime() time.Duration { return time.Since(started) }

// peakKiB is not known.
func peakKiB(*os.ProcessState) int64 { return 0 }
