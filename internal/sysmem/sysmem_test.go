package sysmem

import (
	"io/fs"
	"testing"
	"testing/fstest"
)

func TestMemory(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	meminfo := file("MemTotal:       24684412 kB\nMemFree:  1 kB\nMemAvailable:   8388608 kB\n")
	for _, c := range []struct {
		name  string
		files fstest.MapFS
		want  Report
	}{
		{"nothing is known", fstest.MapFS{}, Report{}},
		{"no groups", fstest.MapFS{"proc/meminfo": meminfo}, Report{8 << 30, "system"}},
		{"group without a limit", fstest.MapFS{"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/a\n"),
			"sys/fs/cgroup/a/memory.max": file("max\n"), "sys/fs/cgroup/a/memory.current": file("5\n")}, Report{8 << 30, "system"}},
		{"limit of the group", fstest.MapFS{"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/a/b\n"),
			"sys/fs/cgroup/a/b/memory.max": file("4294967296\n"), "sys/fs/cgroup/a/b/memory.current": file("1073741824\n"),
			"sys/fs/cgroup/a/b/memory.stat": file("anon 5\ninactive_file 536870912\n")}, Report{3<<30 + 512<<20, "cgroup"}},
		{"limit of a group above", fstest.MapFS{"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/a/b\n"),
			"sys/fs/cgroup/a/memory.max": file("1000\n"), "sys/fs/cgroup/a/memory.current": file("400\n"),
			"sys/fs/cgroup/a/b/memory.max": file("4294967296\n"), "sys/fs/cgroup/a/b/memory.current": file("5\n")}, Report{600, "cgroup"}},
		{"limit passed", fstest.MapFS{"proc/self/cgroup": file("0::/\n"),
			"sys/fs/cgroup/memory.max": file("1000\n"), "sys/fs/cgroup/memory.current": file("1400\n")}, Report{0, "cgroup"}},
		{"version 1", fstest.MapFS{"proc/meminfo": meminfo, "proc/self/cgroup": file("4:cpu:/x\n7:hugetlb,memory:/x\n"),
			"sys/fs/cgroup/memory/x/memory.limit_in_bytes": file("2147483648\n"), "sys/fs/cgroup/memory/x/memory.usage_in_bytes": file("1048576\n"),
			"sys/fs/cgroup/memory/x/memory.stat": file("total_inactive_file 1048576\n")}, Report{2 << 30, "cgroup"}},
		{"version 1 without a limit", fstest.MapFS{"proc/meminfo": meminfo, "proc/self/cgroup": file("7:memory:/\n"),
			"sys/fs/cgroup/memory/memory.limit_in_bytes": file("9223372036854771712\n"), "sys/fs/cgroup/memory/memory.usage_in_bytes": file("1\n")}, Report{8 << 30, "system"}},
		{"damaged", fstest.MapFS{"proc/meminfo": file("MemAvailable: x kB\n\x00"), "proc/self/cgroup": file("::::\n0\n"), "sys/fs/cgroup/memory.max": file("-")}, Report{}},
	} {
		func() {
			defer func(old fs.FS) { systemRoot = old }(systemRoot)
			systemRoot = c.files
			if got := Available(); got != c.want {
				t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
			}
		}()
	}
	t.Setenv("GOMEMLIMIT", "") // whatever the tests run under, some memory is there
	if got := Available(); got.Source != "" && got.Available <= 0 {
		t.Errorf("this machine: %+v", got)
	}
}

func TestParseBytes(t *testing.T) {
	for s, want := range map[string]int64{"1": 1, "512": 512, "1k": 1024, "3K": 3072, "512M": 512 << 20, "4GiB": 4 << 30, "1.5g": 3 << 29, "2TB": 2 << 40} {
		if got, err := ParseSize(s); err != nil || got != want {
			t.Errorf("%s: %d, %v; want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "x", "-1", "0", "1q", "nan", "1e30", "k", "4 GB x"} {
		if got, err := ParseSize(s); err == nil {
			t.Errorf("%q is read as %d", s, got)
		}
	}
	for n, want := range map[int64]string{2048: "2 KiB", 512 << 20: "512 MiB", 3 << 29: "1.5 GiB"} {
		if got := FormatSize(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
