package priors

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/operators"
)

// TestAll: every file in assets/priors has its row, and the row says what the
// file holds.
func TestAll(t *testing.T) {
	files, err := filepath.Glob("../../assets/priors/*" + Ext)
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	var want []string
	for _, f := range files {
		want = append(want, strings.TrimSuffix(filepath.Base(f), Ext))
	}
	if got := Names(); !slices.Equal(got, want) {
		t.Fatalf("rows %v, files %v", got, want)
	}
	for _, p := range All() {
		net, err := p.Network()
		if err != nil {
			t.Fatal(err)
		}
		c := net.Config()
		if c.Channels != p.Channels || math.Abs(c.Sigma-p.Sigma) > 1e-6 {
			t.Errorf("%s: the row says %d channels at %v, the file %d at %v", p.Name, p.Channels, p.Sigma, c.Channels, c.Sigma)
		}
		if p.Natural && c.Height > 0 {
			t.Errorf("%s is for images of one size", p.Name)
		}
		if again, _ := p.Network(); again != net {
			t.Errorf("%s is decoded twice", p.Name)
		}
		// The file and the embedded bytes are the same prior.
		file, err := File(filepath.Join("../../assets/priors", p.Name+Ext))
		if err != nil {
			t.Fatal(err)
		}
		read, _ := file.Network()
		for name, w := range net.Params() {
			if !slices.Equal(w, read.Params()[name]) {
				t.Errorf("%s: %s differs from the file", p.Name, name)
			}
		}
	}
}

// TestFor compares the choice with the levels written out: the boundary
// between two levels is their geometric mean.
func TestFor(t *testing.T) {
	for _, c := range []struct {
		channels int
		noise    float64
		want     string
	}{
		{1, 2. / 255, "gray-02"}, {1, 0.5 / 255, "gray-01"}, {3, 1. / 255, "colour-01"}, {3, 2. / 255, "colour-02"}, {1, 25. / 255, "gray-25"}, {3, 25. / 255, "colour-25"},
		{1, 0.99 * math.Sqrt(15*25) / 255, "gray-15"}, {1, 1.01 * math.Sqrt(15*25) / 255, "gray-25"},
		{3, 1, "colour-50"}, {1, 1, "gray-50"},
		{2, 50. / 255, "gray-50"}, // restored channel by channel
	} {
		if got := For(c.channels, c.noise).Name; got != c.want {
			t.Errorf("%d channels at %.4g: %s, want %s", c.channels, c.noise, got, c.want)
		}
	}
}

func TestOpen(t *testing.T) {
	p, err := Open("gray-25")
	if err != nil || p.Name != "gray-25" || p.IsZero() {
		t.Error(p, err)
	}
	var unknown *UnknownError
	if _, err := Open("gray-26"); !errors.As(err, &unknown) || unknown.Name != "gray-26" || !strings.Contains(err.Error(), "gray-25") {
		t.Error(err)
	}
	if _, err := File(filepath.Join(t.TempDir(), "none"+Ext)); !os.IsNotExist(err) {
		t.Error(err)
	}
	if !(Prior{}).IsZero() {
		t.Error("the zero Prior is one")
	}
}

// TestFaintWaves: what f hardly lets pass at all, however faint, has no lower R than
// the flat picture because of rounding.
func TestFaintWaves(t *testing.T) {
	for _, p := range All() {
		if !p.Natural {
			continue
		}
		net, err := p.Network()
		if err != nil {
			t.Fatal(err)
		}
		s := operators.Shape{C: p.Channels, H: 64, W: 64}
		psi, err := net.On(s)
		if err != nil {
			t.Fatal(err)
		}
		search := lpn.NewWaveSearch(psi, s)
		w := lpn.Wave{FY: 0.5, FX: 0.5, Phase: 1, Mix: []float64{1, 0.3, -0.7}[:p.Channels]}
		for _, w.Amplitude = range []float64{0.001, 0.003, 0.01, 0.03} {
			if gain, above := search.Gain(w); above < 0 {
				t.Errorf("%s: R at amplitude %g is %g above that of a flat picture, gain %.3f", p.Name, w.Amplitude, above, gain)
			}
		}
		w.Amplitude = 0.5
		if _, above := search.Gain(w); above <= 0 {
			t.Errorf("%s: R of a strong wave is %g above that of a flat picture", p.Name, above)
		}
	}
}
