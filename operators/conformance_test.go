package operators_test

import (
	"math/rand/v2"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/operatortest"
)

// Every spec, on even, odd and narrow scenes, under every boundary.
func TestConformance(t *testing.T) {
	specs := []string{
		"denoise", "blur:gaussian,sigma=1.2", "blur:gaussian,sigma=3,size=25", "blur:uniform,size=4",
		"blur:motion,length=9,angle=30", "blur:motion,length=40,angle=-70", "blur:disk,radius=2.5",
		"inpaint:ratio=0.4,seed=3",
		"cs:ratio=0.3", "cs:ratio=1/16,kind=hadamard,seed=2", "cs:ratio=0.2,kind=fourier", "cs:ratio=0.1,kind=gaussian", "mri:accel=3",
		"tomo:angles=20", "tomo:angles=11,detectors=30,span=100", "tomo:angles=7,detectors=40,centre=17.3,spacing=0.7,pixel=0.5",
		"tomo:angles=9,geometry=fan-flat,source=100,detector=50", "tomo:angles=9,detectors=33,offset=2,geometry=fan-curved,source=50,detector=0",
		"sr:factor=2", "sr:factor=1.5x7/3", "sr:factor=2,kernel=bicubic", "sr:factor=3,kernel=lanczos3", "sr:factor=2.5,kernel=gaussian",
		"sr:factor=3,kernel=motion,length=5,angle=20", "sr:factor=2,align=corner", "sr:factor=4,kernel=uniform,size=4,align=corner",
	}
	for _, text := range specs {
		spec, err := operators.ParseSpec(text)
		if err != nil {
			t.Fatal(err)
		}
		boundaries := []operators.Boundary{operators.Symmetric}
		if spec.TakesBoundary() {
			boundaries = append(boundaries, operators.Circular, operators.Reflect, operators.Replicate, operators.Zero, operators.Valid)
		}
		for _, b := range boundaries {
			for _, s := range []operators.Shape{{C: 1, H: 48, W: 60}, {C: 3, H: 37, W: 29}, {C: 1, H: 41, W: 7}} {
				a, err := spec.WithBoundary(b).Build(s)
				if err != nil {
					if b == operators.Valid {
						continue // the kernel may be too large
					}
					t.Fatal(err)
				}
				t.Run(text+"/"+b.String()+"/"+s.String(), func(t *testing.T) { operatortest.TestLinear(t, a) })
			}
		}
	}
}

func TestSENSEConformance(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 9))
	for _, s := range []operators.Shape{{C: 1, H: 24, W: 17}, {C: 2, H: 13, W: 20}} {
		maps := operators.NewImage(operators.Shape{C: 6, H: s.H, W: s.W})
		for i := range maps.Pix {
			maps.Pix[i] = float32(rng.NormFloat64())
		}
		mask := make([]bool, s.H*s.W)
		for i := range mask {
			mask[i] = rng.IntN(3) == 0
		}
		for _, m := range []operators.Image{{}, maps} {
			for _, centred := range []bool{false, true} {
				a, err := operators.NewSENSE(s, m, mask, centred)
				if err != nil {
					t.Fatal(err)
				}
				operatortest.TestLinear(t, a)
			}
		}
	}
}

func TestComposeStackScaled(t *testing.T) {
	s := operators.Shape{C: 2, H: 12, W: 18}
	build := func(text string, s operators.Shape) operators.Linear {
		spec, err := operators.ParseSpec(text)
		if err != nil {
			t.Fatal(err)
		}
		a, err := spec.WithBoundary(operators.Valid).Build(s)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	blur := build("blur:uniform,size=3", s)
	mask := build("inpaint:ratio=0.5", blur.Codomain())
	both, err := operators.Compose(mask, blur)
	if err != nil {
		t.Fatal(err)
	}
	operatortest.TestLinear(t, both)
	two, err := operators.Stack(both, operators.NewIdentity(s), blur)
	if err != nil {
		t.Fatal(err)
	}
	operatortest.TestLinear(t, two)
	for _, a := range []operators.Linear{two, mask, operators.NewIdentity(s)} {
		for _, k := range []float64{-3, 0.2} {
			scaled, err := operators.Scaled(k, a)
			if err != nil {
				t.Fatal(err)
			}
			operatortest.TestLinear(t, scaled)
		}
	}
	if _, err := operators.Compose(blur, mask); err == nil {
		t.Error("Compose takes shapes that do not meet")
	}
	if _, err := operators.Stack(blur, mask); err == nil {
		t.Error("Stack takes different scenes")
	}
	if _, err := operators.Stack(); err == nil {
		t.Error("Stack takes nothing")
	}
}

func TestRandomMaskCount(t *testing.T) {
	s := operators.Shape{C: 1, H: 10, W: 10}
	for ratio, want := range map[float64]int{0.3: 30, 1: 100, 1e-9: 1} {
		m, err := operators.NewRandomMask(s, ratio, rand.New(rand.NewPCG(1, 1)))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for i := range 100 {
			if m.Kept(i/10, i%10) {
				n++
			}
		}
		if n != want {
			t.Errorf("ratio %v keeps %d of 100", ratio, n)
		}
	}
}
