package imageio

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/internal/othertest"
	"github.com/lpn-imaging/lpn/operators"
)

func command(t *testing.T, dir, name string, args ...string) []byte {
	t.Helper()
	c := exec.Command(othertest.Program(t, name), args...)
	c.Dir = dir
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, stderr.Bytes())
	}
	return out
}

// seen is what ImageMagick sees in a file: RGBA, 16 bits a sample, upright.
func seen(t *testing.T, dir, file string) []uint16 {
	t.Helper()
	b := command(t, dir, "convert", file, "-auto-orient", "-colorspace", "sRGB", "-depth", "16", "-endian", "MSB", "rgba:-")
	out := make([]uint16, len(b)/2)
	for i := range out {
		out[i] = binary.BigEndian.Uint16(b[2*i:])
	}
	return out
}

// differ is the mean difference of p from what ImageMagick sees, in levels of
// 8 bits, and the number of alpha values that are not the same.
func differ(p *Picture, ref []uint16) (mean float64, alpha int) {
	if len(ref) != 4*p.H*p.W {
		return math.Inf(1), -1
	}
	n := 0
	for i := range p.H * p.W {
		a := uint16(65535)
		if p.Alpha != nil {
			a = p.Alpha[i]
		}
		if a != ref[4*i+3] {
			alpha++
		}
		if a == 0 {
			continue // colour under full transparency is nobody's promise
		}
		for k := range 3 {
			mean += math.Abs(float64(p.Plane(min(k, p.C-1))[i])*255 - float64(ref[4*i+k])/257)
			n++
		}
	}
	return mean / float64(max(n, 1)), alpha
}

// TestOtherPrograms: pictures that other programs make here and now are read
// as ImageMagick reads them; and what is written of them is read by it as the
// same picture, alpha to the bit, with the depth and the profile that it had.
func TestOtherPrograms(t *testing.T) {
	othertest.Program(t, "convert")
	dir := t.TempDir()
	command(t, dir, "convert", "-size", "37x29", "-seed", "3", "plasma:red-blue", "-depth", "16", "rgb16.png")
	command(t, dir, "convert", "-size", "37x29", "-seed", "4", "plasma:", "-colorspace", "Gray", "-depth", "16", "mask.png")
	command(t, dir, "convert", "rgb16.png", "mask.png", "-alpha", "off", "-compose", "CopyOpacity", "-composite", "-depth", "16", "rgba16.png")
	icc := ""
	for _, path := range []string{"/usr/share/color/icc/ghostscript/a98.icc", "/usr/share/color/icc/ghostscript/srgb.icc", "/usr/share/color/icc/sRGB.icc"} {
		if _, err := os.Stat(path); err == nil && icc == "" {
			icc = path
		}
	}

	for _, c := range []struct {
		name    string
		make    string // arguments of convert, or another program and its arguments
		c, bits int
		alpha   bool
		tol     float64 // mean difference in levels of 8 bits
	}{
		{"rgb8.png", "rgb16.png -depth 8", 3, 8, false, 0},
		{"rgb16.png", "rgb16.png -depth 16", 3, 16, false, 0},
		{"gray8.png", "rgb16.png -colorspace Gray -depth 8", 1, 8, false, 0},
		{"gray16.png", "rgb16.png -colorspace Gray -depth 16", 1, 16, false, 0},
		{"gray1.png", "rgb16.png -colorspace Gray -monochrome -depth 1", 1, 8, false, 0},
		{"rgba8.png", "rgba16.png -depth 8", 3, 8, true, 0},
		{"rgba16.png", "rgba16.png -depth 16", 3, 16, true, 0},
		{"graya16.png", "rgba16.png -colorspace Gray -depth 16", 1, 16, true, 0},
		{"palette.png", "rgb16.png -colors 40 -define png:color-type=3 -depth 8", 3, 8, false, 0},
		{"palettea.png", "rgba16.png -channel A -threshold 50% +channel -colors 40 -depth 8", 3, 8, true, 0},
		{"interlaced.png", "rgba16.png -interlace PNG -depth 16", 3, 16, true, 0},
		{"key.png", "rgb16.png -depth 8 -transparent #ff0000 -define png:color-type=6", 3, 8, true, 0},
		{"big.tif", "rgb16.png -endian MSB -depth 16", 3, 16, false, 0},
		{"little.tif", "rgb16.png -endian LSB -depth 8 -compress LZW", 3, 8, false, 0},
		{"gray.tif", "rgb16.png -endian MSB -colorspace Gray -depth 16 -compress Zip", 1, 16, false, 0},
		{"rgba.tif", "rgba16.png -depth 8", 3, 8, true, 0},
		{"palette.tif", "rgb16.png -colors 20 -type Palette -depth 8", 3, 8, false, 0},
		{"tiles.tif", "tiffcp -t -w 16 -l 16 -c none little.tif", 3, 8, false, 0},
		{"packbits.tif", "tiffcp -c packbits -r 5 little.tif", 3, 8, false, 0},
		{"rgb.bmp", "rgb16.png -depth 8 -type TrueColor", 3, 8, false, 0},
		{"frames.gif", "rgb16.png ( rgb16.png -negate ) -colors 64", 3, 8, false, 0},
		{"lossless.webp", "cwebp -quiet -lossless -exact rgba8.png -o", 3, 8, true, 0},
		{"gray.jpg", "rgb16.png -colorspace Gray -quality 90", 1, 8, false, 1},
		{"full.jpg", "rgb16.png -sampling-factor 1x1 -quality 90", 3, 8, false, 1},
		{"baseline.jpg", "rgb16.png -quality 85", 3, 8, false, 4},
		{"progressive.jpg", "rgb16.png -interlace JPEG -quality 90 -sampling-factor 1x1", 3, 8, false, 1},
		{"cmyk.jpg", "rgb16.png -colorspace CMYK -quality 92 -sampling-factor 1x1", 3, 8, false, 2},
		{"lossy.webp", "cwebp -quiet -q 90 rgb8.png -o", 3, 8, false, 30},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := strings.Fields(c.make)
			prog := "convert"
			if args[0] == "tiffcp" || args[0] == "cwebp" {
				prog, args = args[0], args[1:]
			}
			out := c.name
			if c.name == "palettea.png" {
				out = "PNG8:" + out // else the alpha is dropped
			}
			command(t, dir, prog, append(args, out)...)
			p, err := Read(filepath.Join(dir, c.name))
			if err != nil {
				t.Fatal(err)
			}
			if p.C != c.c || p.H != 29 || p.W != 37 || p.Bits != c.bits || (p.Alpha != nil) != c.alpha {
				t.Fatalf("%v, %d bits, alpha %v; want %d channels, %d bits, alpha %v", p.Shape, p.Bits, p.Alpha != nil, c.c, c.bits, c.alpha)
			}
			ref := seen(t, dir, c.name+"[0]")
			if mean, alpha := differ(p, ref); mean > max(c.tol, 1e-4) || alpha != 0 {
				t.Errorf("read: mean difference %.3g levels, want %g; %d alpha values differ", mean, c.tol, alpha)
			}
			for _, to := range []string{"out.png", "out.tif"} {
				if to == "out.tif" && c.bits == 8 && !c.alpha {
					continue // other programs take their time
				}
				if err := Write(filepath.Join(dir, to), p, Options{}); err != nil {
					t.Fatal(err)
				}
				if mean, alpha := differ(p, seen(t, dir, to)); mean > 1e-4 || alpha != 0 {
					t.Errorf("%s as ImageMagick reads it: mean difference %.3g levels, %d alpha values differ", to, mean, alpha)
				}
				if depth := string(command(t, dir, "convert", to, "-format", "%z", "info:")); depth != fmt.Sprint(c.bits) && c.name != "gray1.png" {
					t.Errorf("%s has %s bits, want %d", to, depth, c.bits)
				}
			}
		})
	}

	t.Run("profile", func(t *testing.T) {
		if icc == "" {
			t.Skip("no ICC profile is installed here")
		}
		want, err := os.ReadFile(icc)
		if err != nil {
			t.Fatal(err)
		}
		for _, from := range []string{"in.png", "in.jpg", "in.tif", "in.webp"} {
			if from == "in.webp" {
				command(t, dir, "cwebp", "-quiet", "-metadata", "icc", "in.png", "-o", from)
			} else {
				command(t, dir, "convert", "rgb16.png", "-profile", icc, from)
			}
			p, err := Read(filepath.Join(dir, from))
			if err != nil {
				t.Fatal(err)
			}
			for _, to := range []string{"icc.png", "icc.jpg", "icc.tif"} {
				if err := Write(filepath.Join(dir, to), p, Options{}); err != nil {
					t.Fatal(err)
				}
				if got := command(t, dir, "convert", to, "icc:-"); !bytes.Equal(got, want) {
					t.Errorf("%s to %s: a profile of %d bytes, want %d", from, to, len(got), len(want))
				}
			}
		}
	})

	t.Run("orientation", func(t *testing.T) {
		command(t, dir, "convert", "rgb16.png", "-sampling-factor", "1x1", "-quality", "98", "plain.jpg")
		plain, err := os.ReadFile(filepath.Join(dir, "plain.jpg"))
		if err != nil {
			t.Fatal(err)
		}
		for o := 1; o <= 8; o++ {
			exif := append([]byte("Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00"), byte(o), 0, 0, 0, 0, 0, 0, 0)
			turned := append(append(append([]byte(nil), plain[:2]...), append([]byte{0xff, 0xe1, 0, byte(len(exif) + 2)}, exif...)...), plain[2:]...)
			if err := os.WriteFile(filepath.Join(dir, "turned.jpg"), turned, 0o666); err != nil {
				t.Fatal(err)
			}
			p, err := Read(filepath.Join(dir, "turned.jpg"))
			if err != nil {
				t.Fatal(err)
			}
			if mean, _ := differ(p, seen(t, dir, "turned.jpg")); mean > 1 || (p.H == 37) != (o >= 5) {
				t.Errorf("orientation %d: %v, mean difference %.3g levels", o, p.Shape, mean)
			}
		}
	})
}

// TestNumPy: arrays that NumPy saves here and now are read as they are, and
// what is written NumPy loads.
func TestNumPy(t *testing.T) {
	python := othertest.NumPy(t)
	dir := t.TempDir()
	script := `
import numpy as np
r = np.arange(60).reshape(4, 5, 3)
x = (r / 32 - .5)
np.save("f4.npy", x.astype("<f4"))
np.save("f8.npy", x)
np.save("f8be.npy", x.astype(">f8"))
np.save("f4fortran.npy", np.asfortranarray(x.astype("f4")))
np.save("f8befortran.npy", np.asfortranarray(x.astype(">f8")))
np.save("chw.npy", np.ascontiguousarray(x.transpose(2, 0, 1)))
np.save("view.npy", x.transpose(2, 0, 1))
np.save("u1.npy", (4 * r).astype("u1"))
np.save("u2.npy", (1000 * r).astype("<u2"))
np.save("u2be.npy", (1000 * r).astype(">u2"))
np.save("gray.npy", x[..., 0].astype(">f4"))
np.save("gray1.npy", x[..., :1])
`
	c := exec.Command(python, "-c", script)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	ramp := func(i int) float64 { return float64(i)/32 - 0.5 }
	for _, c := range []struct {
		name    string
		c, bits int
		want    func(i int) float64
	}{
		{"f4.npy", 3, 32, ramp}, {"f8.npy", 3, 32, ramp}, {"f8be.npy", 3, 32, ramp},
		{"f4fortran.npy", 3, 32, ramp}, {"f8befortran.npy", 3, 32, ramp}, {"chw.npy", 3, 32, ramp}, {"view.npy", 3, 32, ramp},
		{"u1.npy", 3, 8, func(i int) float64 { return 4 * float64(i) / 255 }},
		{"u2.npy", 3, 16, func(i int) float64 { return 1000 * float64(i) / 65535 }},
		{"u2be.npy", 3, 16, func(i int) float64 { return 1000 * float64(i) / 65535 }},
		{"gray.npy", 1, 32, ramp}, {"gray1.npy", 1, 32, ramp},
	} {
		p, err := Read(filepath.Join(dir, c.name))
		if err != nil {
			t.Error(err)
			continue
		}
		if p.Shape != (operators.Shape{C: c.c, H: 4, W: 5}) || p.Bits != c.bits {
			t.Errorf("%s: %v, %d bits", c.name, p.Shape, p.Bits)
			continue
		}
		for k := range p.C {
			for i, v := range p.Plane(k) {
				if want := c.want(3*i + k); math.Abs(float64(v)-want) > 1e-7 {
					t.Fatalf("%s: channel %d, sample %d is %v, want %v", c.name, k, i, v, want)
				}
			}
		}
		if err := Write(filepath.Join(dir, "out.npy"), p, Options{}); err != nil {
			t.Fatal(err)
		}
		check := exec.Command(python, "-c", `
import sys, numpy as np
a, b = np.load(sys.argv[1]), np.load("out.npy")
if a.dtype.kind == "u": a = a / np.iinfo(a.dtype).max
if a.shape[0] == 3: a = a.transpose(1, 2, 0)
if a.ndim == 3 and a.shape[2] == 1: a = a[..., 0]
assert b.dtype == np.dtype("<f4") and b.shape == a.shape, (b.dtype, b.shape, a.shape)
assert abs(a - b).max() < 1e-7
`, c.name)
		check.Dir = dir
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("%s as NumPy loads it: %v: %s", c.name, err, out)
		}
	}
}
