package operators

import (
	"fmt"
	"math"
	"slices"
	"strconv"
)

// This file has the ways to write sr.

func init() {
	register(&family{
		name: "sr", place: 5, forms: resampleForms(),
		choose:  resampleForm,
		example: "sr:factor=2",
		check:   checkKernel,
		build:   buildResample,
		scene:   sceneOfResample,
	})
}

// corner marks the variants on the grid of NewDownsample.
const corner = "corner "

// resampleForms are the forms of the filters, and those of the kernels of blur on
// either grid: each with the size before, and the alignment behind.
func resampleForms() []*form {
	var forms []*form
	add := func(f *form, grid, kernel string, head ...field) {
		if kernel != "" {
			head = append(head, field{key: "kernel", kind: choice, choices: []string{kernel}, def: kernel})
		}
		align := "centre"
		if grid == corner {
			align = "corner"
		}
		f.variant = grid + kernel
		f.fields = slices.Concat(head, f.fields, []field{{key: "align", kind: choice, choices: []string{align}, def: align}})
		forms = append(forms, f)
	}
	size := []field{{key: "factor", kind: factors, lo: 1, hi: MaxFactor}, {key: "to", kind: pixels, lo: 1, hi: 1 << 24}}
	for _, k := range filters {
		add(&form{complete: completeResample}, "", k.name, size...)
	}
	add(&form{complete: completeResample,
		fields: []field{{key: "sigma", kind: number, hi: 170, open: true}}}, "", "gaussian", size...)
	for _, f := range kernelForms() {
		if f.variant != "gaussian" {
			f.bounded, f.complete, f.kernel = true, completeWhole, centred(f.kernel)
			add(f, "", f.variant, size...)
		}
	}
	for _, f := range kernelForms() {
		f.bounded = true
		if f.variant == "gaussian" {
			f.complete = completeDownsample
		}
		add(f, corner, f.variant, field{key: "factor", kind: count, lo: 1, hi: MaxFactor, need: true})
	}
	return forms
}

// resampleForm is the variant that the keys kernel and align name: area without
// either, and with align=corner a Gaussian.
func resampleForm(args []arg) string {
	kernel, grid := "area", ""
	if slices.Contains(args, arg{"align", "corner"}) {
		kernel, grid = "gaussian", corner
	}
	for _, a := range args {
		if a.key == "kernel" {
			kernel = a.value
		}
	}
	for _, f := range findKernels(grid) {
		if f == grid+kernel {
			return f
		}
	}
	return grid // a file
}

// findKernels lists the variants of one grid that have a name.
func findKernels(grid string) []string {
	var names []string
	if grid == "" {
		for _, f := range filters {
			names = append(names, f.name)
		}
	}
	for _, f := range kernelForms() {
		if f.variant != "" {
			names = append(names, grid+f.variant)
		}
	}
	return names
}

// completeResample checks that there is a factor or a size.
func completeResample(v values) error {
	_, factor := v["factor"]
	_, to := v["to"]
	if factor == to {
		return fmt.Errorf("want either factor=F, as 2 or 1.5x2, or to=WxH")
	}
	return nil
}

// completeWhole checks besides that the factor is whole.
func completeWhole(v values) error {
	if err := completeResample(v); err != nil {
		return err
	}
	if n, err := strconv.ParseFloat(v["factor"], 64); v["factor"] != "" && (err != nil || n != math.Trunc(n)) {
		return wholeError(v["factor"])
	}
	return nil
}

func wholeError(factor string) error {
	return fmt.Errorf("factor=%s; want one whole number with this kernel", clip(factor))
}

// completeDownsample takes half the factor for the Gaussian's sigma.
func completeDownsample(v values) error {
	if n, ok := v["factor"]; ok && v["sigma"] == "" {
		k, _ := strconv.ParseFloat(n, 64)
		v["sigma"] = formatNumber(k / 2)
	}
	return completeGaussian(v)
}

// factor is how many times larger the scene of an sr is along x and y; where its
// size is given, ok is false.
func (sp Spec) factor() (x, y float64, ok bool) {
	v := sp.Get("factor")
	if v == "" {
		return 0, 0, false
	}
	x, y, _ = field{kind: factors, lo: 1, hi: MaxFactor}.readPair(v)
	return x, y, true
}

func sceneOfResample(sp Spec, measured Shape) (Shape, error) {
	s := measured
	if x, y, ok := sp.factor(); ok {
		s.W, s.H = int(math.Round(x*float64(s.W))), int(math.Round(y*float64(s.H)))
	} else {
		x, y, _ := field{kind: pixels, hi: 1 << 24}.readPair(sp.Get("to"))
		s.W, s.H = int(x), int(y)
		if s.W < measured.W || s.H < measured.H || s.W > MaxFactor*measured.W || s.H > MaxFactor*measured.H {
			return Shape{}, fmt.Errorf("a picture of %dx%d pixels; want %s to be 1 to %d times as large", measured.W, measured.H, sp.Get("to"), MaxFactor)
		}
	}
	return sp.beyond(s)
}

func buildResample(sp Spec, s Shape) (Linear, error) {
	x, y, ok := sp.factor()
	if !ok {
		return nil, fmt.Errorf("to=%s; want a factor, or a measurement to fit it to", sp.Get("to"))
	}
	if sp.form.kernel == nil {
		f := GaussianFilter(sp.float("sigma"))
		for _, k := range filters {
			if k.name == sp.Get("kernel") {
				f = k
			}
		}
		small := func(n int, by float64) int { return max(1, int(math.Round(float64(n)/by))) }
		return NewResample(s, small(s.H, y), small(s.W, x), f)
	}
	k, err := sp.kernel()
	if err != nil {
		return nil, err
	}
	return NewDownsample(s, k, sp.boundary, int(x))
}

// centred is a kernel on the grid of NewResample.
func centred(kernel func(Spec) (Kernel, error)) func(Spec) (Kernel, error) {
	return func(sp Spec) (Kernel, error) {
		x, y, ok := sp.factor()
		if !ok || x != y || x != math.Trunc(x) {
			return Kernel{}, wholeError(sp.Get("factor"))
		}
		k, err := kernel(sp)
		if err != nil {
			return k, err
		}
		return k.Centred(int(x)), nil
	}
}

// Centred returns the kernel with which NewDownsample puts sample k of an axis at
// factor k + (factor-1)/2 of the scene, where NewResample has it. The middle of the
// kernel is that of its taps, (H-1)/2 and (W-1)/2, also if their number is even. If one
// of the middle and the sample is between pixels and the other is not, the kernel is
// moved by half a pixel, by linear interpolation.
func (k Kernel) Centred(factor int) Kernel {
	if (k.H-factor)%2 != 0 {
		t := newKernel(k.H+1, k.W)
		for i := range k.H {
			for j := range k.W {
				t.Taps[i*k.W+j] += k.Taps[i*k.W+j] / 2
				t.Taps[(i+1)*k.W+j] += k.Taps[i*k.W+j] / 2
			}
		}
		k = t
	}
	if (k.W-factor)%2 != 0 {
		t := newKernel(k.H, k.W+1)
		for i := range k.H {
			for j := range k.W {
				t.Taps[i*t.W+j] += k.Taps[i*k.W+j] / 2
				t.Taps[i*t.W+j+1] += k.Taps[i*k.W+j] / 2
			}
		}
		k = t
	}
	// Zeros behind the taps move them towards the first pixel of the kernel's frame,
	// and the samples, which are taken at its centre, away from it.
	o := (factor - 1) / 2
	t := newKernel(k.H+2*o, k.W+2*o)
	for i := range k.H {
		copy(t.Taps[i*t.W:], k.Taps[i*k.W:(i+1)*k.W])
	}
	return t
}
