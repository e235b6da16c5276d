package sysmem

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// A Report is how much memory the program may still take.
type Report struct {
	// Available is in bytes, 0 when the system does not tell.
	Available int64 `json:"available"`
	// Source names what sets it: "system", "cgroup" or "GOMEMLIMIT".
	Source string `json:"bound"`
}

// systemRoot is where the system's files are read.
var systemRoot fs.FS = os.DirFS("/")

// Available reports the memory available, the least of what the system has free
// or can free, what the control groups of the process leave it, and
// GOMEMLIMIT. Only Linux tells the first two.
func Available() Report {
	least := Report{math.MaxInt64, ""}
	take := func(n int64, bound string) {
		if n >= 0 && n < least.Available {
			least = Report{n, bound}
		}
	}
	take(systemMemory(systemRoot), "system")
	take(groupMemory(systemRoot), "cgroup")
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		take(limit, "GOMEMLIMIT")
	}
	if least.Source == "" {
		return Report{}
	}
	return least
}

// systemMemory is MemAvailable of /proc/meminfo, -1 when it is not there.
func systemMemory(root fs.FS) int64 {
	text, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return -1
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "MemAvailable:" {
			if n, err := strconv.ParseInt(f[1], 10, 64); err == nil {
				return n << 10
			}
		}
	}
	return -1
}

// groupMemory is what the process's control groups leave, -1 without a limit.
// A group's limit holds for all below it, so every level up to the root
// counts. File pages that are not in use do not count as taken: the kernel
// drops them before it kills.
func groupMemory(root fs.FS) int64 {
	text, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return -1
	}
	least := int64(-1)
	take := func(dir, limit, usage, inactive string) {
		most := readNumber(root, path.Join(dir, limit))
		used := readNumber(root, path.Join(dir, usage))
		if most < 0 || used < 0 || most >= 1<<60 { // version 1 writes no limit as a vast one
			return
		}
		stat, _ := fs.ReadFile(root, path.Join(dir, "memory.stat"))
		for line := range strings.Lines(string(stat)) {
			if f := strings.Fields(line); len(f) == 2 && f[0] == inactive {
				if n, err := strconv.ParseInt(f[1], 10, 64); err == nil {
					used -= n
				}
			}
		}
		if left := max(0, most-used); least < 0 || left < least {
			least = left
		}
	}
	for line := range strings.Lines(string(text)) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(part) != 3 {
			continue
		}
		base, limit, usage, inactive := "", "", "", ""
		switch {
		case part[0] == "0" && part[1] == "":
			base, limit, usage, inactive = "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"
		case strings.Contains(","+part[1]+",", ",memory,"):
			base, limit, usage, inactive = "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
		default:
			continue
		}
		for at := path.Clean("/" + part[2]); ; at = path.Dir(at) {
			take(path.Join(base, at), limit, usage, inactive)
			if at == "/" {
				break
			}
		}
	}
	return least
}

// readNumber reads a file of one number; -1 for "max" and what is not there.
func readNumber(root fs.FS, name string) int64 {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return -1
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// ParseSize reads a size such as 512M, 4GiB or 1.5g: units of 1024.
func ParseSize(s string) (int64, error) {
	digits := strings.TrimRight(strings.ToLower(s), "ib")
	unit := 1.0
	if n := len(digits); n > 0 {
		if i := strings.IndexByte("kmgt", digits[n-1]); i >= 0 {
			unit = math.Pow(1024, float64(i+1))
			digits = digits[:n-1]
		}
	}
	v, err := strconv.ParseFloat(digits, 64)
	if err != nil || !(v > 0) || v*unit > 1<<60 {
		return 0, fmt.Errorf("%q is not a size such as 512M or 4GiB", s)
	}
	return int64(v * unit), nil
}

// FormatSize writes a size for people.
func FormatSize(n int64) string {
	switch v := float64(n); {
	case n < 1<<20:
		return fmt.Sprintf("%.3g KiB", v/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.3g MiB", v/(1<<20))
	default:
		return fmt.Sprintf("%.3g GiB", v/(1<<30))
	}
}
