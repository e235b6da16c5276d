// Package othertest finds the other programs that tests compare with. A program
// of the right name is not enough: Windows has a convert for file systems, and
// containers have stand-ins. Each program must say something that only it says;
// otherwise the test is skipped, with the reason.
package othertest

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// signs are arguments after which a program says what it is.
var signs = map[string]struct {
	args []string
	says *regexp.Regexp
}{
	"convert":  {[]string{"-version"}, regexp.MustCompile(`(?m)^Version: ImageMagick`)},
	"tiffcp":   {[]string{"-h"}, regexp.MustCompile(`LIBTIFF, Version`)},
	"cwebp":    {[]string{"-h"}, regexp.MustCompile(`cwebp \[options\]`)},
	"pdftoppm": {[]string{"-v"}, regexp.MustCompile(`(?m)^pdftoppm version`)},
	"node":     {[]string{"-p", "process.release.name"}, regexp.MustCompile(`(?m)^node$`)},
	"man":      {[]string{"--version"}, regexp.MustCompile(`(?m)^man \d`)}, // man-db
}

// Program is the path of a program: ImageMagick's convert, tiffcp, cwebp, Poppler's
// pdftoppm, Node.js, or man-db's man. It panics on other names.
func Program(t testing.TB, name string) string {
	t.Helper()
	sign, known := signs[name]
	if !known {
		panic("othertest: how to know the program " + name + "?")
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed here", name)
	}
	// Some programs end with an error after their help.
	said, err := exec.Command(path, sign.args...).CombinedOutput()
	if !sign.says.Match(said) {
		line, _, _ := strings.Cut(strings.TrimSpace(string(said)), "\n")
		t.Skipf("%s is another program than the one meant: %s says %q (%v)", path, strings.Join(sign.args, " "), line, err)
	}
	return path
}

// NumPy is the path of a Python that has NumPy.
func NumPy(t testing.TB) string {
	t.Helper()
	return python(t, "NumPy", "import numpy; print(numpy.arange(3).sum(), numpy.__name__)", "3 numpy")
}

// ONNXRuntime is the path of a Python that has NumPy and onnxruntime.
func ONNXRuntime(t testing.TB) string {
	t.Helper()
	return python(t, "onnxruntime", "import numpy, onnxruntime; print(onnxruntime.InferenceSession.__name__)", "InferenceSession")
}

// python is the path of a Python to which a program says what it must.
func python(t testing.TB, library, program, says string) string {
	t.Helper()
	for _, path := range []string{"python3", "/usr/bin/python3", "python"} {
		said, err := exec.Command(path, "-c", program).Output()
		if err == nil && strings.TrimSpace(string(said)) == says {
			return path
		}
	}
	t.Skipf("no Python with %s here", library)
	return ""
}
