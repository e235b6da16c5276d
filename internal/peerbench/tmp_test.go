package main

import (
	"os"
	"runtime/pprof"
	"testing"

	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/operators"
)

func TestTmpStep(t *testing.T) {
	cpuTime = true
	for _, c := range []struct {
		name string
		cfg  lpn.Config
		size, n int
	}{{"natural", lpn.Natural(1, 25.0/255), 48, 150}, {"deep", lpn.SoftplusAny(1, 64, 4, 25.0/255), 64, 30}} {
		net, _ := network(c.cfg)
		s := operators.Shape{C: 1, H: c.size, W: c.size}
		tr := newTrainer(net, constant{s, random(4*s.Len(), 4)}, 4, 1)
		tr.side(3)
		f, _ := os.Create("/tmp/" + c.name + ".prof")
		pprof.StartCPUProfile(f)
		ms, err := tr.side(c.n)
		pprof.StopCPUProfile()
		f.Close()
		t.Log(c.name, ms, err)
		tr.stop()
	}
}
