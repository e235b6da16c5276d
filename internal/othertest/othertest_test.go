package othertest

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// TestStandIn: a program that only has the name is passed over, one that says
// what it is is found.
func TestStandIn(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the stand-ins are shell scripts")
	}
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	for _, c := range []struct {
		name, script string
		found        bool
	}{
		{"convert", "echo converts file systems; exit 1", false},
		{"convert", "echo 'Version: ImageMagick 6.9'; exit 0", true},
		{"cwebp", "echo '   cwebp [options] -q quality'; exit 1", true},
		{"tiffcp", "exit 0", false},
		{"man", "echo 'This system has been minimized.'", false},
	} {
		path := filepath.Join(dir, c.name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+c.script+"\n"), 0o777); err != nil {
			t.Fatal(err)
		}
		got := ""
		t.Run(c.name, func(t *testing.T) {
			t.Cleanup(func() {
				if t.Skipped() == c.found {
					t.Errorf("%q: skipped %v", c.script, t.Skipped())
				}
			})
			got = Program(t, c.name)
		})
		if c.found && got != path {
			t.Errorf("%q: found at %q", c.script, got)
		}
	}
	t.Run("absent", func(t *testing.T) {
		os.Remove(filepath.Join(dir, "convert"))
		defer func() {
			if !t.Skipped() {
				t.Error("found a program that is not there")
			}
		}()
		Program(t, "convert")
	})
}
