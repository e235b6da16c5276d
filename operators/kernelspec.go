package operators

import (
	"fmt"
	"math"
	"strconv"
)

// kernelForms are the ways to write a blur kernel; blur and sr share them.
func kernelForms() []*form {
	return []*form{
		{
			variant: "gaussian",
			fields: []field{
				{key: "sigma", kind: number, hi: 170, open: true, need: true},
				{key: "size", kind: count, lo: 1, hi: MaxKernel},
			},
			complete: completeGaussian,
			kernel:   func(sp Spec) (Kernel, error) { return GaussianKernel(sp.float("sigma"), sp.int("size")) },
		},
		{
			variant: "uniform",
			fields:  []field{{key: "size", kind: count, lo: 1, hi: MaxKernel, need: true}},
			kernel:  func(sp Spec) (Kernel, error) { return UniformKernel(sp.int("size")) },
		},
		{
			variant: "motion",
			fields: []field{
				{key: "length", kind: number, hi: MaxKernel - 2, open: true, need: true},
				{key: "angle", kind: number, lo: -360, hi: 360, def: "0"},
			},
			kernel: func(sp Spec) (Kernel, error) { return MotionKernel(sp.float("length"), sp.float("angle")) },
		},
		{
			variant: "disk",
			fields:  []field{{key: "radius", kind: number, hi: MaxKernel / 2, open: true, need: true}},
			kernel:  func(sp Spec) (Kernel, error) { return DiskKernel(sp.float("radius")) },
		},
		{
			fields: []field{
				{key: "kernel", kind: file, need: true},
				{key: "background", kind: number, hi: 1, word: "auto"},
				{key: "centre", kind: choice, choices: []string{"auto"}, word: "auto"},
			},
			kernel: mendedKernel,
		},
	}
}

// autoForm is a blur whose kernel is to be found in the picture: the spec's data.
var autoForm = &form{
	variant: "auto",
	fields: []field{
		{key: "kind", kind: choice, choices: []string{"free", "gaussian", "disk", "motion"}},
		{key: "size", kind: count, lo: 3, hi: 101},
	},
	complete: func(v values) error {
		if size, given := v["size"]; given {
			if n, _ := strconv.Atoi(size); n%2 == 0 {
				return fmt.Errorf("size=%s is even; want an odd number of taps", size)
			}
			if kind := v["kind"]; kind != "" && kind != "free" {
				return fmt.Errorf("size=%s goes with kind=free; a %s has the size of its parameters", size, kind)
			}
		}
		return nil
	},
	kernel: func(sp Spec) (Kernel, error) { return NewKernel(sp.Data()) },
	tables: func(Spec) bool { return true },
}

// Auto reports whether the operator is a blur whose kernel is not yet found in the
// picture: blur:auto without data. WithData sets the kernel.
func (sp Spec) Auto() bool {
	return sp.orDenoise().form == autoForm && sp.data == nil
}

// completeGaussian fills in the size.
func completeGaussian(v values) error {
	if size, given := v["size"]; given {
		if n, _ := strconv.Atoi(size); n%2 == 0 {
			return fmt.Errorf("size=%s is even; want an odd number of taps", size)
		}
		return nil
	}
	if s, ok := v["sigma"]; ok {
		sigma, _ := strconv.ParseFloat(s, 64)
		v["size"] = strconv.Itoa(2*int(math.Ceil(3*sigma)) + 1)
	}
	return nil
}

// mendedKernel is the kernel of a file without its background, and recentred, where
// the spec asks for it.
func mendedKernel(sp Spec) (Kernel, error) {
	if x, y, ok := sp.grid(); ok {
		kernels, err := sp.kernels(x, y)
		if err != nil {
			return Kernel{}, err
		}
		return kernels[0][0], nil
	}
	return sp.mended(sp.Data())
}

// mended is one kernel of a file.
func (sp Spec) mended(file Image) (Kernel, error) {
	k, err := NewKernel(file)
	if err != nil {
		return k, err
	}
	switch b := sp.Get("background"); b {
	case "":
	case "auto":
		k = k.less(k.background())
	default:
		k = k.less(sp.float("background"))
	}
	if sp.Get("centre") != "" {
		k = k.Recentred()
	}
	return k.normalised()
}

// Remarks are lines about oddities of the kernel that the spec has loaded from a file.
func (sp Spec) Remarks() []string {
	sp = sp.orDenoise()
	if sp.File() == "" || sp.data == nil || sp.form.kernel == nil {
		return nil
	}
	if x, y, ok := sp.grid(); ok {
		kernels, _ := sp.kernels(x, y) // Build says what is wrong with them
		for p, row := range kernels {
			for q, k := range row {
				if lines := k.Report().Remarks(); len(lines) > 0 {
					return []string{fmt.Sprintf("kernel %d,%d of the grid: %s", q+1, p+1, lines[0])}
				}
			}
		}
		return nil
	}
	k, err := mendedKernel(sp)
	if err != nil {
		return nil // likewise
	}
	return k.Report().Remarks()
}

// checkFile says whether a file held kernels: a mosaic of several may be larger than
// one, and its size is checked when it is cut.
func checkFile(m Image) error {
	if max(m.H, m.W) > MaxKernel {
		return checkShape(m.Shape)
	}
	return checkKernel(m)
}

// checkKernel says whether a file held a kernel.
func checkKernel(m Image) error {
	_, err := NewKernel(m)
	return err
}

// kernelSupport is the support of a convolution.
func kernelSupport(sp Spec) (h, w int, err error) {
	if _, _, varies := sp.grid(); varies {
		return 0, 0, fmt.Errorf("the kernel depends on where the scene is cut")
	}
	k, err := sp.kernel()
	return k.H, k.W, err
}

// grid is how many kernels along x and y a file holds; ok is false where it is one.
func (sp Spec) grid() (x, y int, ok bool) {
	text := sp.Get("grid")
	if text == "" {
		return 0, 0, false
	}
	a, b, _ := gridField.readPair(text)
	return int(a), int(b), true
}

// mosaic cuts a picture into x by y tiles of one size, rows of columns.
func mosaic(m Image, x, y int) ([][]Image, error) {
	if m.H%y != 0 || m.W%x != 0 {
		return nil, fmt.Errorf("a picture of %dx%d for %dx%d kernels; want sides that they divide", m.W, m.H, x, y)
	}
	h, w := m.H/y, m.W/x
	all := make([][]Image, y)
	for p := range y {
		for q := range x {
			t := NewImage(Shape{m.C, h, w})
			for c := range m.C {
				for i := range h {
					copy(t.Plane(c)[i*w:(i+1)*w], m.Plane(c)[(p*h+i)*m.W+q*w:])
				}
			}
			all[p] = append(all[p], t)
		}
	}
	return all, nil
}

// kernels are those of a file of several, all of one size.
func (sp Spec) kernels(x, y int) ([][]Kernel, error) {
	tiles, err := mosaic(sp.Data(), x, y)
	if err != nil {
		return nil, err
	}
	kernels := make([][]Kernel, y)
	h, w := 0, 0
	for p, row := range tiles {
		for q, t := range row {
			k, err := sp.mended(t)
			if err != nil {
				return nil, fmt.Errorf("kernel %d,%d: %w", q+1, p+1, err)
			}
			h, w = max(h, k.H), max(w, k.W)
			kernels[p] = append(kernels[p], k)
		}
	}
	for _, row := range kernels {
		for q, k := range row {
			row[q] = k.padded(h, w)
		}
	}
	return kernels, nil
}

// gridField is the key of a blur that varies.
var gridField = field{key: "grid", kind: pixels, lo: 1, hi: 64}

// blurForms are the forms of blur: its kernels, of which a file may hold several.
func blurForms() []*form {
	forms := kernelForms()
	last := forms[len(forms)-1]
	last.fields = append(last.fields, gridField)
	return forms
}

func init() {
	register(&family{
		name: "blur", place: 2, forms: append(blurForms(), autoForm), boundary: true,
		check: checkFile,
		build: func(sp Spec, s Shape) (Linear, error) {
			if x, y, ok := sp.grid(); ok {
				kernels, err := sp.kernels(x, y)
				if err != nil {
					return nil, err
				}
				return NewVaryingBlur(s, kernels, sp.boundary)
			}
			k, err := sp.kernel()
			if err != nil {
				return nil, err
			}
			return NewBlur(s, k, sp.boundary)
		},
		scene:   Spec.beyond,
		support: kernelSupport,
	})
}
