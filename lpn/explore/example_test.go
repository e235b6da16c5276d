package explore_test

import (
	"context"
	"fmt"
	"math"
	"os"

	"github.com/lpn-imaging/lpn/lpn/explore"
	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/operators"
)

// gray25 is the built-in prior of gray photographs.
func gray25() explore.Prior {
	net, err := priors.Gray25().Network()
	if err != nil {
		panic(err)
	}
	return explore.Of("gray-25", net)
}

// disc is a bright disc on a shaded ground.
func disc(side int) operators.Image {
	x := operators.NewImage(operators.Shape{C: 1, H: side, W: side})
	for i := range side {
		for j := range side {
			v := 0.2 + 0.3*float64(i)/float64(side)
			if math.Hypot(float64(i-side/2), float64(j-side/2)) < float64(side)/4 {
				v = 0.8
			}
			x.Pix[i*side+j] = float32(v)
		}
	}
	return x
}

// Noise makes a picture less likely, the more of it the less.
func Example() {
	picture := disc(32)
	net, _ := priors.Gray25().Network()
	r, _ := explore.Path(context.Background(), explore.Of("gray-25", net), picture,
		explore.Noise{Seed: 1}, []float64{0, 0.05, 0.1, 0.2}, nil)
	for k, level := range r.Levels {
		fmt.Printf("noise %.2f: %.1f nats a sample\n", level, r.Values[k])
	}
	// Output:
	// noise 0.00: 0.3 nats a sample
	// noise 0.05: 0.7 nats a sample
	// noise 0.10: 1.1 nats a sample
	// noise 0.20: 1.9 nats a sample
}

// How much more likely is a picture than a noisy one?
func ExampleValue() {
	clean, noisy := disc(32), disc(32)
	explore.Noise{}.Apply(noisy, clean, 0.1)
	a, _ := explore.Value(context.Background(), gray25(), clean)
	b, _ := explore.Value(context.Background(), gray25(), noisy)
	fmt.Println("less likely by the factor exp of", math.Round(float64(b.Nats-a.Nats)/100)*100)
	fmt.Println("the errors are small:", a.Gap < 1e-3*a.R && a.Residual < 1e-4)
	// Output:
	// less likely by the factor exp of 900
	// the errors are small: true
}

// The edge of the disc is what surprises.
func ExampleMap() {
	r, err := explore.Map(context.Background(), gray25(), disc(32), 0)
	if err != nil {
		panic(err)
	}
	edge, rest := 0.0, 0.0
	for i, v := range r.Values {
		d := math.Hypot(float64(i/r.Width-16), float64(i%r.Width-16))
		if math.Abs(d-8) < 2 {
			edge += v
		} else {
			rest += v
		}
	}
	fmt.Printf("in the edge: %.0f%% of R\n", 100*edge/(edge+rest))
	// Output: in the edge: 74% of R
}

// With the fidelity to a measurement, a plane is the landscape in which a solver
// looks for the lowest point.
func ExampleSlice() {
	x, y := disc(16), disc(16)
	explore.Noise{Seed: 1}.Apply(y, x, 0.1)
	r, err := explore.Slice(context.Background(), gray25(), y, explore.Plane{
		U: explore.Towards("the clean picture", x), V: explore.Random(1), Span: 1.1, Grid: 5,
		Fidelity: func(z []float32) float64 {
			sum := 0.0
			for i, v := range z {
				sum += float64(v-y.Pix[i]) * float64(v-y.Pix[i])
			}
			return sum / (2 * 0.1 * 0.1)
		},
	}, nil)
	if err != nil {
		panic(err)
	}
	a, b := r.Least()
	fmt.Printf("least at %.2f towards %s, %.2f towards %s\n", a, r.U, b, r.V)
	// Output: least at 0.55 towards the clean picture, 0.00 towards noise
}

// The prior that learned from Laplace data has found their density.
func ExampleCurve() {
	net, err := priors.Laplace().Network()
	if err != nil {
		panic(err)
	}
	c, err := explore.Curve(context.Background(), explore.Of("laplace", net), []float64{-3, -2, -1, 0, 1, 2, 3})
	if err != nil {
		panic(err)
	}
	e := explore.Laplace{B: 1, Sigma: c.Sigma}.Errors(c)
	fmt.Println("f is the soft threshold to 0.1:", e.MAP < 0.1)
	fmt.Println("R is |x| to 0.06:", e.R < 0.06)
	// Output:
	// f is the soft threshold to 0.1: true
	// R is |x| to 0.06: true
}

// Results are tables for any other program.
func ExampleWriteCSV() {
	r := explore.PathResult{
		Prior: "gray-25", Picture: "photo.png", Perturbation: "noise", Levels: []float64{0, 0.1},
		Values: []float64{0.4, 1.07}, Residuals: []float64{1e-5, 1e-5}, Gaps: []float64{1e-6, math.Inf(1)},
	}
	if err := explore.WriteCSV(os.Stdout, r); err != nil {
		panic(err)
	}
	// Output:
	// prior,picture,perturbation,level,value,residual,gap
	// gray-25,photo.png,noise,0,0.4,1e-05,1e-06
	// gray-25,photo.png,noise,0.1,1.07,1e-05,Inf
}
