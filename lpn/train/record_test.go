package train

import (
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/lpn"
)

func tinyNetwork(t testing.TB) *lpn.Network {
	net, err := lpn.New(lpn.SoftplusAny(1, 2, 2, 0.1), rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	return net
}

// TestRecord: what goes into a network's notes comes out again.
func TestRecord(t *testing.T) {
	p, err := PresetNamed("quick", 1)
	if err != nil {
		t.Fatal(err)
	}
	curve := make([]Point, 1000)
	for i := range curve {
		curve[i] = Point{Step: i + 1, Loss: 1 / float64(i+1), PSNR: Decibel(20 + float64(i)/100)}
	}
	r := Record{Command: "lpn train", Preset: "quick", Recipe: p, Seed: 7, Every: 1, Licence: "CC0",
		Data: Data{Path: "photos", Hash: "ab", Training: 19, Held: 1, Range: "100:4000"}}.Finished(&Result{PSNR: 29.99, Steps: 1000, Curve: curve})
	if len(r.Curve) > mostPoints+1 || r.Curve[len(r.Curve)-1].Step != 1000 {
		t.Errorf("a curve of %d points", len(r.Curve))
	}
	net, err := r.Attach(tinyNetwork(t))
	if err != nil {
		t.Fatal(err)
	}
	got, complete, err := RecordOf(net)
	if err != nil || !complete || !reflect.DeepEqual(got, r) {
		t.Errorf("%+v, want %+v: %v", got, r, err)
	}
	if lo, hi, ok := net.Range(); !ok || lo != 100 || hi != 4000 {
		t.Errorf("range %v to %v, %v", lo, hi, ok)
	}
	card := r.Card("mine", net)
	for _, want := range []string{"# mine\n", "| licence | CC0 |", "100:4000", "| pictures | 19 for training, 1 held back |", "29.99 dB"} {
		if !strings.Contains(card, want) {
			t.Errorf("no %q in the card:\n%s", want, card)
		}
	}
	unknown := Record{PSNR: Decibel(math.NaN())}
	if net, err = unknown.Attach(tinyNetwork(t)); err != nil {
		t.Fatal(err)
	}
	if got, _, err := RecordOf(net); err != nil || got.PSNR == got.PSNR {
		t.Errorf("a PSNR that is not known is %v: %v", got.PSNR, err)
	}
}

// FuzzRecord: a record that was tampered with is an error or something to show, never a
// panic.
func FuzzRecord(f *testing.F) {
	f.Add(`{"seed":1,"recipe":{"plan":[{"loss":"l2","steps":3,"rate":1e-3}]}}`, "l2:3@1e-3", "1:2")
	f.Add(`{"psnr":null,"curve":[{"psnr":1}],"data":{"noise":{}}}`, "", "2:1")
	f.Add("", "x", "")
	net := tinyNetwork(f)
	f.Fuzz(func(t *testing.T, record, plan, scale string) {
		n := net.WithMeta(metaRecord, record).WithMeta(metaPlan, plan).WithMeta(lpn.MetaRange, scale)
		r, complete, err := RecordOf(n)
		if err == nil {
			if text := r.Card("x", n); !strings.HasPrefix(text, "# x\n") {
				t.Errorf("card: %q", text)
			}
		} else if complete {
			t.Error("complete, and an error")
		}
		if lo, hi, ok := n.Range(); ok && !(hi > lo) {
			t.Errorf("range %v to %v", lo, hi)
		}
	})
}
