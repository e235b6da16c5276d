package solvers

import (
	"context"
	"errors"
	"math"
	"testing"
)

func TestTuneOne(t *testing.T) {
	peak := 0.037
	best, trials, err := Tune(context.Background(), []Param{{Name: "strength", Lo: 1e-3, Hi: 1}}, 20,
		func(p []float64) (float64, error) { return -math.Pow(math.Log(p[0]/peak), 2), nil })
	if err != nil {
		t.Fatal(err)
	}
	// 20 golden sections of a range of log 1000 leave well under 1%.
	if math.Abs(best.Params[0]/peak-1) > 0.01 || len(trials) > 20 {
		t.Errorf("found %v in %d trials", best.Params, len(trials))
	}
}

func TestTuneSeveral(t *testing.T) {
	want := []float64{0.3, 7}
	score := func(p []float64) (float64, error) {
		a, b := math.Log(p[0]/want[0]), math.Log(p[1]/want[1])
		return 30 - a*a - 3*b*b - a*b, nil
	}
	params := []Param{{Name: "strength", Lo: 1e-2, Hi: 10}, {Name: "rho", Lo: 0.1, Hi: 100}}
	best, trials, err := Tune(context.Background(), params, 80, score)
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range want {
		if math.Abs(best.Params[i]/w-1) > 0.02 {
			t.Errorf("found %v in %d trials, want %v", best.Params, len(trials), want)
		}
	}
	if len(trials) > 80 {
		t.Errorf("%d trials of 80", len(trials))
	}
	again, _, _ := Tune(context.Background(), params, 80, score)
	if again.Params[0] != best.Params[0] || again.Params[1] != best.Params[1] {
		t.Error("a second search differs")
	}
	// A peak beyond the box is found on its edge.
	edge, trials, err := Tune(context.Background(), []Param{{Name: "a", Lo: 1, Hi: 2}, {Name: "b", Lo: 0.1, Hi: 1}}, 60, score)
	if err != nil || edge.Params[0] > 1.02 || edge.Params[1] < 0.98 {
		t.Errorf("%v: %v", err, edge)
	}
	for _, tr := range trials {
		if tr.Params[0] < 1 || tr.Params[0] > 2.0001 || tr.Params[1] < 0.0999 || tr.Params[1] > 1.0001 {
			t.Errorf("a trial outside the box: %v", tr.Params)
		}
	}
}

func TestTuneErrors(t *testing.T) {
	p := []Param{{Name: "x", Lo: 1, Hi: 10}}
	boom := errors.New("no pictures")
	n := 0
	_, trials, err := Tune(context.Background(), p, 10, func([]float64) (float64, error) {
		if n++; n == 3 {
			return 0, boom
		}
		return 1, nil
	})
	if !errors.Is(err, boom) || len(trials) != 2 || n != 3 {
		t.Errorf("%v after %d trials, %d calls", err, len(trials), n)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := Tune(ctx, p, 10, func([]float64) (float64, error) { return 0, nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	for _, bad := range [][]Param{nil, {{Lo: 0, Hi: 1}}, {{Lo: 2, Hi: 1}}, {{Lo: 1, Hi: 2, Start: 3}}} {
		if _, _, err := Tune(context.Background(), bad, 10, nil); err == nil {
			t.Errorf("%v is accepted", bad)
		}
	}
}
