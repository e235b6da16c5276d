package restore

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

// TestPowersAndGains: the power of white noise is its variance, and that of white noise seen through
// a blur the variance times the gains.
func TestPowersAndGains(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	white := operators.NewImage(operators.Shape{C: 1, H: 1500, W: 1400})
	for i := range white.Pix {
		white.Pix[i] = float32(0.5 + 0.1*rng.NormFloat64())
	}
	for _, text := range []string{"denoise", "blur:gaussian,sigma=1.1", "blur:motion,length=9,angle=30", "blur:disk,radius=3.3", "blur:uniform,size=6"} {
		sp, err := operators.ParseSpec(text)
		if err != nil {
			t.Fatal(err)
		}
		sp = sp.WithBoundary(operators.Circular)
		for _, n := range []int{32, 64} {
			a, err := sp.Build(white.Shape)
			if err != nil {
				t.Fatal(err)
			}
			y := operators.NewImage(white.Shape)
			a.Apply(y.Pix, white.Pix)
			g := newGrid(n)
			powers, gains := g.powers(y, false), g.gains(sp)
			sum := 0.0
			for i := range g.at {
				// 400 tiles: a power is sure to about 5%.
				if e := math.Log(powers[i] / (0.01*gains[i] + 1e-9)); math.Abs(e) > 0.3 {
					t.Errorf("%s, tiles of %d: power %v, want %v", text, n, powers[i], 0.01*gains[i])
				} else {
					sum += e
				}
			}
			if mean := sum / float64(len(g.at)); math.Abs(mean) > 0.01 {
				t.Errorf("%s, tiles of %d: powers are off by a factor of %v", text, n, math.Exp(mean))
			}
		}
	}
}

// TestMisfit: powers that are a smooth scene's seen through a blur in noise fit with its gains and not
// with others; each term of the scene is found.
func TestMisfit(t *testing.T) {
	g := newGrid(64)
	gainsOf := func(text string) []float64 {
		sp, err := operators.ParseSpec(text)
		if err != nil {
			t.Fatal(err)
		}
		return g.gains(sp)
	}
	right, wrong := gainsOf("blur:motion,length=9,angle=30"), gainsOf("blur:motion,length=9,angle=50")
	rng := rand.New(rand.NewPCG(5, 6))
	for range 5 {
		var c [smoothTerms]float64
		for k := range c {
			c[k] = 0.3 * rng.NormFloat64()
		}
		c[1] -= 2.5
		const noise = 1e-3
		powers := make([]float64, len(g.at))
		for i, terms := range g.terms {
			s := 0.0
			for k, v := range terms {
				s += c[k] * v
			}
			powers[i] = math.Exp(s)*right[i] + noise
		}
		fits, other := g.misfit(powers, right, noise), g.misfit(powers, wrong, noise)
		if fits > 1e-3*other || other < 10 {
			t.Errorf("misfit %v with the right gains, %v with others", fits, other)
		}
	}
}

// TestEcho: a scene that knows nothing of the blur has no echo of it, one that was divided by its
// gains the most negative there is, and one multiplied by them the largest.
func TestEcho(t *testing.T) {
	g := newGrid(64)
	sp, err := operators.ParseSpec("blur:disk,radius=3")
	if err != nil {
		t.Fatal(err)
	}
	gains := g.gains(sp)
	rng := rand.New(rand.NewPCG(7, 8))
	var scene, hills, valleys []float64
	for i, v := range gains {
		r := math.Exp(1.2 * g.terms[i][1])
		s := math.Exp(0.02*rng.NormFloat64()) / (r * r)
		scene, hills, valleys = append(scene, s), append(hills, s/(v+1e-3)), append(valleys, s*(v+1e-3))
	}
	for _, c := range []struct {
		name   string
		powers []float64
		lo, hi float64
	}{{"scene", scene, -0.1, 0.1}, {"hills", hills, -1, -0.99}, {"valleys", valleys, 0.99, 1}} {
		if e := g.echo(c.powers, gains); e < c.lo || e > c.hi {
			t.Errorf("%s: %v, want %v to %v", c.name, e, c.lo, c.hi)
		}
	}
}

// TestNoGains: a blur that is not the same everywhere has no gains, and for one that is large there
// are larger tiles, or none.
func TestNoGains(t *testing.T) {
	kernels := operators.NewImage(operators.Shape{C: 1, H: 5, W: 10})
	kernels.Pix[2*10+2], kernels.Pix[1*10+7], kernels.Pix[3*10+7] = 1, 0.5, 0.5
	for _, c := range []struct {
		text string
		side int
	}{{"blur:gaussian,sigma=2", 64}, {"blur:gaussian,sigma=5", 128}, {"blur:gaussian,sigma=30", 0}} {
		sp, err := operators.ParseSpec(c.text)
		if err != nil {
			t.Fatal(err)
		}
		p := &Plan{Operator: sp, policy: policyOf(sp)}
		if n := p.tileFor(operators.Shape{C: 1, H: 300, W: 300}); n != c.side {
			t.Errorf("%s: tiles of %d, want %d", c.text, n, c.side)
		}
	}
	varying, err := operators.ParseSpec("blur:kernel=k.npy,grid=2x1")
	if err != nil {
		t.Fatal(err)
	}
	if newGrid(64).gains(varying.WithData(kernels)) != nil {
		t.Error("gains of a blur that varies")
	}
	if newGrid(64).gains(varying) != nil {
		t.Error("gains of a blur that is not there")
	}
}

// TestHidden: the noise of a scene seen through a blur is found at the frequencies that it hides.
func TestHidden(t *testing.T) {
	g := newGrid(64)
	rng := rand.New(rand.NewPCG(9, 10))
	for _, text := range []string{"blur:motion,length=9,angle=30", "blur:gaussian,sigma=1.6", "blur:disk,radius=3"} {
		sp, err := operators.ParseSpec(text)
		if err != nil {
			t.Fatal(err)
		}
		gains := g.gains(sp)
		for _, noise := range []float64{0.005, 0.02} {
			powers := make([]float64, len(gains))
			for i, k := range gains {
				r := 0.15 * math.Exp(1.2*g.terms[i][1])
				powers[i] = (1e-4/(r*r)*k + noise*noise) * math.Exp(0.1*rng.NormFloat64())
			}
			if got := g.hidden(powers, gains); got < 0.8*noise || got > 1.15*noise {
				t.Errorf("%s: noise %v, want %v", text, got, noise)
			}
		}
	}
	few := make([]float64, len(g.at))
	for i := range few {
		few[i] = 1
	}
	if got := g.hidden(few, few); got != 0 {
		t.Errorf("noise %v where nothing is hidden", got)
	}
}
