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
	k, err := NewKernel(sp.Data())
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

// Remarks are lines about what is odd with the kernel that a spec has loaded from a
// file; none where it has none.
func (sp Spec) Remarks() []string {
	sp = sp.orDenoise()
	if sp.File() == "" || sp.data == nil || sp.form.kernel == nil {
		return nil
	}
	k, err := mendedKernel(sp)
	if err != nil {
		return nil // Build says so
	}
	return k.Report().Remarks()
}

// checkKernel says whether a file held a kernel.
func checkKernel(m Image) error {
	_, err := NewKernel(m)
	return err
}

// kernelSupport is the support of a convolution.
func kernelSupport(sp Spec) (h, w int, err error) {
	k, err := sp.kernel()
	return k.H, k.W, err
}

func init() {
	register(&family{
		name: "blur", place: 2, forms: kernelForms(), boundary: true,
		check: checkKernel,
		build: func(sp Spec, s Shape) (Linear, error) {
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
