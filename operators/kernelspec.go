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
			fields: []field{{key: "kernel", kind: file, need: true}},
			kernel: func(sp Spec) (Kernel, error) { return NewKernel(sp.Data()) },
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

// Auto reports whether the operator is a blur whose kernel is still to be found in
// the picture: blur:auto without data. The kernel that is found is WithData.
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
		name: "blur", place: 2, forms: append(kernelForms(), autoForm), boundary: true,
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
