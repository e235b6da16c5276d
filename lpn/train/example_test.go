package train_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/lpn/train"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// edges is a Source of pictures of one edge each, at a random place.
type edges struct{}

func (edges) Shape() operators.Shape { return operators.Shape{C: 1, H: 16, W: 16} }

func (edges) Batch(dst []float32, step int) error {
	rng := rand.New(rand.NewPCG(5, uint64(step)))
	for p := 0; p < len(dst); p += 256 {
		at := rng.IntN(16)
		for i := range 256 {
			dst[p+i] = 0.3
			if i%16 >= at {
				dst[p+i] = 0.7
			}
		}
	}
	return nil
}

// Anything that yields samples can be learned from. The result is always an
// exact proximal operator, however short the training.
func ExampleRun() {
	o := train.Options{
		Config: lpn.SoftplusAny(1, 16, 2, 0.1), Source: edges{}, Batch: 4,
		Plan: train.Plan{{Loss: train.L2, Steps: 20, Rate: 1e-3, Cosine: true}},
	}
	r, err := train.Run(context.Background(), o)
	if err != nil {
		panic(err)
	}
	fmt.Println(r.Steps, "steps")

	// The same seed gives the same weights, on any number of threads.
	o.Threads = 1
	again, err := train.Run(context.Background(), o)
	if err != nil {
		panic(err)
	}
	w, v := r.Network.Params(), again.Network.Params()
	same := true
	for name := range w {
		same = same && slices.Equal(w[name], v[name])
	}
	fmt.Println("same bits:", same)
	// Output:
	// 20 steps
	// same bits: true
}

// A loss and a sampler of one's own: Charbonnier's sqrt(d^2 + e^2), between l1 and l2, on
// edges. A program with pictures would take its samples from a Sampler of OpenImages.
func ExampleLossFunc() {
	charbonnier := func(grad, f, x []float32) float64 {
		sum := 0.0
		for i := range f {
			d := float64(f[i] - x[i])
			r := math.Sqrt(d*d + 1e-4)
			sum, grad[i] = sum+r, float32(d/r)
		}
		return sum
	}
	r, err := train.Run(context.Background(), train.Options{
		Config: lpn.SoftplusAny(1, 16, 2, 0.1), Source: edges{}, Batch: 4, Loss: charbonnier,
		Plan: train.Plan{{Loss: train.Own, Steps: 40, Rate: 1e-3, Cosine: true}},
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(r.Steps, "steps; still an exact prox:", r.Network.Config().Channels == 1)
	// Output:
	// 40 steps; still an exact prox: true
}

// haze is a sampler of one's own: its inputs are not clean pictures and noise, but made in
// another way; here the noise grows with the brightness.
type haze struct{ edges }

func (h haze) Pairs(y, x []float32, sigma float64, step int) error {
	if err := h.Batch(x, step); err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(6, uint64(step)))
	for i, v := range x {
		y[i] = v + float32(sigma*math.Sqrt(float64(v))*rng.NormFloat64())
	}
	return nil
}

func ExamplePairer() {
	r, err := train.Run(context.Background(), train.Options{
		Config: lpn.SoftplusAny(1, 16, 2, 0.1), Source: haze{}, Batch: 4,
		Plan: train.Plan{{Loss: train.L2, Steps: 20, Rate: 1e-3}},
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(r.Steps, "steps")
	// Output:
	// 20 steps
}

// Pictures that have noise themselves, and nothing else: the folder is opened, looked
// at, and learned from as it is.
func ExampleNoisy() {
	folder, err := os.MkdirTemp("", "counts")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)
	photons(folder, 8) // counts of about 20 to 110 photons

	images, err := train.OpenImages([]string{folder}, train.DataOptions{Patch: 16})
	if err != nil {
		panic(err)
	}
	images, check, err := images.Check(0)
	if err != nil {
		panic(err)
	}
	training, held := images.Split(4)
	r := images.Range()
	counts := noise.Poisson{Gain: 1}.Scaled(r.Lo, r.Hi)
	options := train.Options{
		Config: lpn.SoftplusAny(images.Channels(), 16, 2, train.LevelOf(counts, 1)),
		Source: train.Noisy{Source: &train.Sampler{Images: training, Patch: 16}, Noise: counts},
		Plan:   train.Plan{{Loss: train.L2, Steps: 20, Rate: 1e-3}}, Batch: 4, ValidNoise: counts,
	}
	for i := range held.Len() {
		x, err := held.Image(i)
		if err != nil {
			panic(err)
		}
		options.Valid = append(options.Valid, x)
	}
	result, err := train.Run(context.Background(), options)
	if err != nil {
		panic(err)
	}
	fmt.Println(check.Kept, "pictures,", len(options.Valid), "held back; an estimate of their PSNR:", result.PSNR > 5)
	// Output:
	// 8 pictures, 2 held back; an estimate of their PSNR: true
}

// photons writes pictures of counts.
func photons(folder string, n int) {
	shape := operators.Shape{C: 1, H: 24, W: 24}
	for i := range n {
		mean, y := operators.NewImage(shape), operators.NewImage(shape)
		for k := range mean.Pix {
			mean.Pix[k] = 60 + 30*float32(math.Sin(float64(k%24+3*i)/5))
		}
		noise.Poisson{Gain: 1}.Sample(y.Pix, mean.Pix, shape, rand.New(rand.NewPCG(1, uint64(i))))
		f, err := os.Create(filepath.Join(folder, fmt.Sprintf("%d.pgm", i)))
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(f, "P2 24 24 65535\n")
		for _, v := range y.Pix {
			fmt.Fprintln(f, int(v))
		}
		if err := f.Close(); err != nil {
			panic(err)
		}
	}
}

func ExampleParsePlan() {
	p, err := train.ParsePlan("l2:20k@4e-3,warmup=0.05,cosine;pm:5k@1e-4,gamma=0.08")
	if err != nil {
		panic(err)
	}
	fmt.Println(p.Steps(), "steps")
	for _, step := range []int{0, 1000, 10500, 20000} {
		stage, _, _ := p.At(step)
		fmt.Printf("%5d %s %.1e\n", step, stage.Loss, p.RateAt(step))
	}
	// Output:
	// 25000 steps
	//     0 l2 4.0e-06
	//  1000 l2 4.0e-03
	// 10500 l2 2.0e-03
	// 20000 pm 1.0e-04
}

func ExamplePaper() {
	for _, s := range train.Paper(40000) {
		fmt.Printf("%s: %d steps at %g, gamma %.2f\n", s.Loss, s.Steps, s.Rate, s.Gamma)
	}
	// Output:
	// l1: 20000 steps at 0.001, gamma 0.00
	// pm: 5000 steps at 0.0001, gamma 0.64
	// pm: 5000 steps at 0.0001, gamma 0.32
	// pm: 5000 steps at 0.0001, gamma 0.16
	// pm: 5000 steps at 0.0001, gamma 0.08
}
