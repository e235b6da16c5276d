//go:build unix

package main

import (
	"os"
	"runtime"
	"syscall"
	"time"
)

// processTime is the processor's time that this process has used.
func processTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// peakKiB is the peak memory of a process that has ended.
func peakKiB(p *os.ProcessState) int64 {
	r, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" { // which counts bytes
		return int64(r.Maxrss) / 1024
	}
	return int64(r.Maxrss)
}
