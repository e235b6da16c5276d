package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestFilesOfLight: an OpenEXR becomes an OpenEXR, its lights above 1 and its opacity kept;
// an AVIF, which is not written, becomes a PNG with the opacity that it had.
func TestFilesOfLight(t *testing.T) {
	dir := t.TempDir()
	pr := prior(t)
	for _, name := range []string{"window.exr", "opaque.avif"} {
		b, err := os.ReadFile(filepath.Join("..", "..", "internal", "imageio", "testdata", "other", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
			t.Fatal(err)
		}
		must(t, "restore", "--prior", pr, "--noise", "0.02", filepath.Join(dir, name))
	}
	light, result := load(t, filepath.Join(dir, "window.exr")), load(t, filepath.Join(dir, "window_lpn.exr"))
	if result.Format != "exr" || !slices.Equal(result.Alpha, light.Alpha) || slices.Max(light.Pix) < 2 || slices.Max(result.Pix) < 2 {
		t.Errorf("%s up to %v of %v", result.Format, slices.Max(result.Pix), slices.Max(light.Pix))
	}
	if p := load(t, filepath.Join(dir, "opaque_lpn.png")); p.Bits != 8 || p.C != 3 || !slices.Equal(p.Alpha, load(t, filepath.Join(dir, "opaque.avif")).Alpha) {
		t.Errorf("AVIF became %v of %d bits", p.Shape, p.Bits)
	}
}
