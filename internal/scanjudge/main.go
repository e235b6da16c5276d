// Command scanjudge prints the tables of docs/measure.md, of measurements simulated where
// the truth is known, against classical methods with their best strength:
//
//	scanjudge tomo TEST TRAIN   slices of the folder TEST at 90 irregular angles and in
//	                            180 views of a fan, noise 0.1; TV tuned on a slice of
//	                            TRAIN
//	scanjudge counts TEST       10^4 photons a ray: with their weights, and without
//	scanjudge mri TEST          an ellipse of a picture, 8 coils, 4-fold and 8-fold, noise
//	                            0.01, against CG-SENSE at its best weight
//	kernels TEST                files of a kernel, off its centre or on a pedestal, as they
//	                            are and corrected
//	units TEST                  how far the results of the same numbers in other units are
//	                            apart, in parts of the range: root mean square, and the
//	                            largest
//
// -images N takes N pictures of the folder, -side N the middle N x N pixels of each.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
	"github.com/lpn-imaging/lpn/solvers/metrics"
)

func main() {
	images := flag.Int("images", 3, "take `N` pictures")
	side := flag.Int("side", 192, "take the middle `N` x N pixels")
	flag.Parse()
	run := map[string]func(test, train []operators.Image) error{"tomo": tomo, "counts": counts, "mri": mri, "kernels": kernels, "units": units}[flag.Arg(0)]
	var err error
	if run == nil || flag.NArg() < 2 || flag.Arg(0) == "tomo" && flag.NArg() < 3 {
		err = fmt.Errorf("want tomo TEST TRAIN, or counts, mri, kernels or units and TEST")
	} else {
		var test, train []operators.Image
		if test, err = read(flag.Arg(1), *images, *side); err == nil && flag.NArg() > 2 {
			train, err = read(flag.Arg(2), 1, *side)
		}
		if err == nil {
			err = run(test, train)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "scanjudge:", err)
		os.Exit(1)
	}
}

// read reads the middle of the first pictures of a folder.
func read(dir string, images, side int) ([]operators.Image, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.png"))
	if err != nil || len(files) == 0 {
		return nil, cmp.Or(err, fmt.Errorf("%s: no .png files", dir))
	}
	var all []operators.Image
	for _, f := range files[:min(images, len(files))] {
		p, err := imageio.Read(f)
		if err != nil {
			return nil, err
		}
		x := p.Luma().Image
		all = append(all, restore.Centre(x, min(side, x.H), min(side, x.W)))
	}
	return all, nil
}

// solve is the PSNR of a problem's restoration; of a complex scene that of its magnitude.
func solve(p restore.Problem, truth operators.Image, o restore.Options) (float64, error) {
	plan, err := restore.New(p, o)
	if err != nil {
		return 0, err
	}
	r, err := plan.Solve(context.Background(), nil)
	if err != nil {
		return 0, err
	}
	return metrics.PSNR(truth.Pix, magnitude(r.Image)), nil
}

func magnitude(x operators.Image) []float32 {
	if x.C == 1 {
		return x.Pix
	}
	out := make([]float32, x.H*x.W)
	for i := range out {
		out[i] = float32(math.Hypot(float64(x.Plane(0)[i]), float64(x.Plane(1)[i])))
	}
	return out
}

func rng(seed int) *rand.Rand { return rand.New(rand.NewPCG(uint64(seed), 1)) }

// irregular are n angles drawn one in each of n equal parts of 180 degrees.
func irregular(n int) operators.Image {
	m := operators.NewImage(operators.Shape{C: 1, H: 1, W: n})
	r := rng(0)
	for i := range m.Pix {
		m.Pix[i] = float32(180 * (float64(i) + r.Float64()) / float64(n))
	}
	return m
}

func parse(text string) operators.Spec {
	sp, err := operators.ParseSpec(text)
	if err != nil {
		panic(err)
	}
	return sp
}

// ct has the prior of the rows of tomography.
var ct = restore.Options{Prior: priors.CT()}

func tomo(test, train []operators.Image) error {
	side := test[0].H
	fan := fmt.Sprintf("tomo:angles=180,span=360,geometry=fan-flat,source=%d,detector=%d", 3*side, 2*side)
	fmt.Printf("| %d slices of %d x %d, noise 0.1 | learned | TV, tuned | FBP |\n|---|---|---|---|\n", len(test), side, side)
	for _, row := range []struct {
		name string
		spec operators.Spec
	}{
		{"90 irregular angles", parse("tomo:angles=list").WithContent("angles", irregular(90))},
		{"180 fan views", parse(fan)},
	} {
		model := noise.White{Sigma: 0.1}
		var tuned []restore.Example
		for i, x := range train {
			e, err := restore.Simulate(x, row.spec, model, rng(100+i))
			if err != nil {
				return err
			}
			tuned = append(tuned, e)
		}
		strength, err := restore.TuneBaseline(context.Background(), tuned, "tv", 10, nil)
		if err != nil {
			return err
		}
		var learned, tv, fbp float64
		n := float64(len(test))
		for i, x := range test {
			e, err := restore.Simulate(x, row.spec, model, rng(i))
			if err != nil {
				return err
			}
			v, err := solve(e.Problem, x, ct)
			if err != nil {
				return err
			}
			base, err := e.Problem.Baseline(context.Background(), "tv", strength)
			if err != nil {
				return err
			}
			a, err := row.spec.Build(x.Shape)
			if err != nil {
				return err
			}
			back := make([]float32, x.Len())
			a.(operators.Tomograph).Reconstruct(back, e.Problem.Y.Pix, operators.Hann)
			learned, tv, fbp = learned+v/n, tv+metrics.PSNR(x.Pix, base.Pix)/n, fbp+metrics.PSNR(x.Pix, back)/n
		}
		fmt.Printf("| %s | %.2f | %.2f | %.2f |\n", row.name, learned, tv, fbp)
	}
	return nil
}

// counts simulates photons: the slice's densest ray lets exp(-5) of 10^4 through.
func counts(test, _ []operators.Image) error {
	const photons, densest = 1e4, 5.
	strengths := []float64{0.25, 0.5, 1, 2, 4}
	var with, without [5]float64
	for i, x := range test {
		sp := parse("tomo:angles=180")
		a, err := sp.Build(x.Shape)
		if err != nil {
			return err
		}
		y := operators.NewImage(a.Codomain())
		a.Apply(y.Pix, x.Pix)
		top := float32(0)
		for _, v := range y.Pix {
			top = max(top, v)
		}
		n := operators.NewImage(y.Shape)
		for k, v := range y.Pix {
			n.Pix[k] = photons * float32(math.Exp(-densest*float64(v/top)))
		}
		operators.AddPoisson(n.Pix, n.Pix, 1, rng(i))
		flat := operators.Image{Shape: operators.Shape{C: 1, H: 1, W: 1}, Pix: []float32{photons}}
		p, w, err := operators.Transmission{Flat: flat}.Integrals(n)
		if err != nil {
			return err
		}
		// In units of the slice.
		for k := range p.Pix {
			p.Pix[k] *= top / densest
			w[k] *= (densest / top) * (densest / top)
		}
		weighed := restore.Problem{Y: p, Operator: sp, Scene: x.Shape, Range: restore.Unit, Weights: w, Noise: noise.White{Sigma: 1}}
		plain := weighed
		sum := 0.0
		for _, v := range w {
			sum += 1 / float64(v) / float64(len(w))
		}
		plain.Weights, plain.Noise = nil, noise.White{Sigma: math.Sqrt(sum)}
		for k, s := range strengths {
			o := ct
			o.Strength = s
			v, err := solve(weighed, x, o)
			if err != nil {
				return err
			}
			u, err := solve(plain, x, o)
			if err != nil {
				return err
			}
			with[k], without[k] = with[k]+v/float64(len(test)), without[k]+u/float64(len(test))
		}
	}
	fmt.Printf("| strength | weights | none |\n|---|---|---|\n")
	for k, s := range strengths {
		fmt.Printf("| %g | %.2f | %.2f |\n", s, with[k], without[k])
	}
	return nil
}

// coils are k smooth maps around a scene, with a sum of squares of 1.
func coils(s operators.Shape, k int) operators.Image {
	m := operators.NewImage(operators.Shape{C: 2 * k, H: s.H, W: s.W})
	v := make([]complex128, k)
	for p := range s.H * s.W {
		y, x := float64(p/s.W)/float64(s.H)-.5, float64(p%s.W)/float64(s.W)-.5
		sum := 0.0
		for c := range v {
			sin, cos := math.Sincos(2 * math.Pi * float64(c) / float64(k))
			d := math.Hypot(y-.7*sin, x-.7*cos)
			v[c] = cmplx.Rect(1/(0.2+d*d), 1.5*(y*cos-x*sin)+float64(c))
			sum += real(v[c])*real(v[c]) + imag(v[c])*imag(v[c])
		}
		for c, z := range v {
			m.Plane(2 * c)[p], m.Plane(2*c + 1)[p] = float32(real(z)/math.Sqrt(sum)), float32(imag(z)/math.Sqrt(sum))
		}
	}
	return m
}

// middle is how many rows around frequency 0 are all measured.
const middle = 16

// within blackens what lies outside an ellipse, as a head does not fill its frame.
func within(x operators.Image) operators.Image {
	out := x.Clone()
	for p := range out.Pix {
		y, x := 2*float64(p/x.W)/float64(x.H)-1, 2*float64(p%x.W)/float64(x.W)-1
		if y*y+x*x > 0.8 {
			out.Pix[p] = 0
		}
	}
	return out
}

func mri(test, _ []operators.Image) error {
	for i, x := range test {
		test[i] = within(x)
	}
	fmt.Printf("| 8 coils, noise 0.01 | maps given | maps estimated | CG-SENSE, best weight |\n|---|---|---|---|\n")
	const level = 0.01
	for _, accel := range []int{4, 8} {
		var given, estimated, n float64
		rhos := []float64{1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2}
		best := make([]float64, len(rhos))
		n = float64(len(test))
		for i, x := range test {
			maps := coils(x.Shape, 8)
			sp := parse(fmt.Sprintf("mri:accel=%d,coils=maps,center=%v", accel, middle/float64(x.H))).WithContent("coils", maps)
			e, err := restore.Simulate(x, sp, noise.White{Sigma: level}, rng(i))
			if err != nil {
				return err
			}
			v, err := solve(e.Problem, x, restore.Options{Choose: priors.For})
			if err != nil {
				return err
			}
			given += v / n
			a, err := sp.Build(x.Shape)
			if err != nil {
				return err
			}
			for k, rho := range rhos {
				b, z := make([]float32, x.Len()), make([]float32, x.Len())
				a.Adjoint(b, e.Problem.Y.Pix)
				operators.CG{Apply: operators.Normal(a, rho), Tol: 1e-5, MaxIters: 300}.Solve(z, b)
				best[k] += metrics.PSNR(x.Pix, z) / n
			}
			own, err := unknown(e.Problem.Y, sp, x)
			if err != nil {
				return err
			}
			own.Noise = noise.White{Sigma: level}
			if v, err = solve(own, x, restore.Options{Choose: priors.For}); err != nil {
				return err
			}
			estimated += v / n
		}
		top := math.Inf(-1)
		for _, v := range best {
			top = max(top, v)
		}
		fmt.Printf("| %d-fold | %.2f | %.2f | %.2f |\n", accel, given, estimated, top)
	}
	return phases(test)
}

// unknown is the problem of the same k-space whose mask and maps are not known.
func unknown(y operators.Image, sp operators.Spec, x operators.Image) (restore.Problem, error) {
	full, err := grid(y, sp, x.Shape)
	if err != nil {
		return restore.Problem{}, err
	}
	m := operators.Measurement{Y: full, Spec: parse("mri:mask=detect,coils=estimate"), Noise: math.NaN()}
	m, _, err = m.Settle()
	return restore.Problem{Y: m.Y, Operator: m.Spec, Scene: m.Scene, Range: restore.Unit}, err
}

// grid puts measured numbers back on their places in k-space, 0 elsewhere.
func grid(y operators.Image, sp operators.Spec, s operators.Shape) (operators.Image, error) {
	mask, err := sp.Places(s)
	if err != nil {
		return operators.Image{}, err
	}
	out := operators.NewImage(operators.Shape{C: y.C, H: s.H, W: s.W})
	for c := range y.C {
		k := 0
		for p, on := range mask {
			if on {
				out.Plane(c)[p] = y.Plane(c)[k]
				k++
			}
		}
	}
	return out, nil
}

// phases compares what may be done with a scene that has a phase.
func phases(test []operators.Image) error {
	fmt.Printf("\n| a scene with a smooth phase, 4-fold | PSNR of the magnitude |\n|---|---|\n")
	for _, phase := range []string{"none", "smooth", "free"} {
		sum := 0.0
		for i, x := range test {
			maps := coils(x.Shape, 8)
			both := operators.NewImage(operators.Shape{C: 2, H: x.H, W: x.W})
			for k, v := range x.Pix {
				a := 0.7 + 2*math.Sin(3*float64(k/x.W)/float64(x.H))*math.Cos(2*float64(k%x.W)/float64(x.W))
				both.Plane(0)[k], both.Plane(1)[k] = v*float32(math.Cos(a)), v*float32(math.Sin(a))
			}
			sp := parse(fmt.Sprintf("mri:accel=4,coils=maps,center=%v,phase=free", middle/float64(x.H))).WithContent("coils", maps)
			e, err := restore.Simulate(both, sp, noise.White{Sigma: 0.01}, rng(i))
			if err != nil {
				return err
			}
			full, err := grid(e.Problem.Y, sp, both.Shape)
			if err != nil {
				return err
			}
			own := parse("mri:mask=detect,coils=maps,phase="+phase).WithContent("coils", maps)
			m, _, err := operators.Measurement{Y: full, Spec: own, Noise: math.NaN()}.Settle()
			if err != nil {
				return err
			}
			p := restore.Problem{Y: m.Y, Operator: m.Spec, Scene: m.Scene, Noise: noise.White{Sigma: 0.01}}
			v, err := solve(p, x, restore.Options{Choose: priors.For})
			if err != nil {
				return err
			}
			sum += v / float64(len(test))
		}
		fmt.Printf("| phase=%s | %.2f |\n", phase, sum)
	}
	return nil
}

// kernels restores a blurred picture with files of its kernel as other programs write
// them.
func kernels(test, _ []operators.Image) error {
	const side, sigma = 31, 1.6
	gauss := func(side int, dy, dx, pedestal float64) operators.Image {
		m, sum := operators.NewImage(operators.Shape{C: 1, H: side, W: side}), float32(0)
		for i := range m.Pix {
			y, x := float64(i/side-side/2)-dy, float64(i%side-side/2)-dx
			m.Pix[i] = float32(pedestal + math.Exp(-(y*y+x*x)/(2*sigma*sigma)))
			sum += m.Pix[i]
		}
		for i := range m.Pix {
			m.Pix[i] /= sum
		}
		return m
	}
	truth := parse("blur:kernel=psf").WithContent("kernel", gauss(side, 0, 0, 0))
	restored := func(text string, file operators.Image) (string, error) {
		sp, sum := parse(text).WithContent("kernel", file), 0.0
		for i, x := range test {
			e, err := restore.Simulate(x, truth, noise.White{Sigma: 0.01}, rng(i))
			if err != nil {
				return "", err
			}
			e.Problem.Operator = sp
			v, err := solve(e.Problem, e.Truth, restore.Options{Choose: priors.For})
			if err != nil {
				return "", err
			}
			sum += v / float64(len(test))
		}
		return fmt.Sprintf("%.2f", sum), nil
	}
	fmt.Printf("| the kernel's file | as it is | corrected | said |\n|---|---|---|---|\n")
	for _, c := range []struct {
		name string
		file operators.Image
		mend string
	}{
		{"right", gauss(side, 0, 0, 0), ""},
		{"of even size, half a pixel off", gauss(side+1, -.5, -.5, 0), ",centre"},
		{"1 pixel off", gauss(side, 1, 0, 0), ",centre"},
		{"3 pixels off", gauss(side, 3, -3, 0), ",centre"},
		{"on a pedestal of 4%", gauss(side, 0, 0, 0.04), ",background=auto"},
		{"3 pixels off, on a pedestal", gauss(side, -3, 3, 0.04), ",background=auto,centre"},
	} {
		before, err := restored("blur:kernel=psf", c.file)
		if err != nil {
			return err
		}
		after, err := restored("blur:kernel=psf"+c.mend, c.file)
		if err != nil {
			return err
		}
		said := len(parse("blur:kernel=psf").WithContent("kernel", c.file).Remarks()) > 0
		fmt.Printf("| %s | %s | %s | %v |\n", c.name, before, after, said)
	}
	return nil
}

// units restores the same numbers in other units.
func units(test, _ []operators.Image) error {
	fmt.Printf("| operator | noise | times 1000 | times 0.05 | times 700, less 400 |\n|---|---|---|---|---|\n")
	x := test[0]
	for _, text := range []string{"denoise", "blur:gaussian,sigma=1.6", "sr:factor=2", "inpaint:ratio=0.5", "tomo:angles=60", "mri:accel=4"} {
		sp := parse(text)
		level := 0.01
		if sp.LineIntegrals() {
			level = 0.1
		}
		e, err := restore.Simulate(x, sp, noise.White{Sigma: level}, rng(0))
		if err != nil {
			return err
		}
		for _, given := range []bool{true, false} {
			var first []float32
			how := map[bool]string{true: "given", false: "found"}[given]
			fmt.Printf("| %s | %s |", text, how)
			for _, u := range []struct{ gain, offset float64 }{{1, 0}, {1000, 0}, {0.05, 0}, {700, -400}} {
				p := e.Problem
				p.Y, p.Range, p.Noise = p.Y.Clone(), restore.Range{}, nil
				if u.offset != 0 && !sp.ImageShaped() {
					fmt.Printf(" |") // A 1 is not 1
					continue
				}
				for i, v := range p.Y.Pix {
					p.Y.Pix[i] = float32(u.gain*float64(v) + u.offset)
				}
				if given {
					p.Noise = noise.White{Sigma: level * u.gain}
				}
				plan, err := restore.New(p, restore.Options{Choose: priors.For})
				if err != nil {
					return err
				}
				r, err := plan.Solve(context.Background(), nil)
				if err != nil {
					return err
				}
				if first == nil {
					first = r.Image.Pix
					continue
				}
				worst, sum := 0.0, 0.0
				for i, v := range r.Image.Pix {
					d := math.Abs((float64(v)-u.offset)/u.gain - float64(first[i]))
					worst, sum = max(worst, d), sum+d*d
				}
				fmt.Printf(" %.1g, %.1g |", math.Sqrt(sum/float64(len(first))), worst)
			}
			fmt.Println()
		}
	}
	return nil
}
