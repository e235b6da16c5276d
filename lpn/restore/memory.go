package restore

import (
	"fmt"
	"math"
	"runtime"

	"github.com/lpn-imaging/lpn/internal/sysmem"
	"github.com/lpn-imaging/lpn/operators"
)

const (
	// solverBytes is the memory of a solver for one sample: up to 28 vectors of
	// float32 (bpg: two points of three, three steps of three, the start, the
	// best, the last, scratch), and the operator's own.
	solverBytes = 30 * 4
	// roundedBytes is what a JPEG file adds to it: the numbers, their steps and
	// scales, and the conjugate gradients among them.
	roundedBytes = 14 * 4
	// proxBytes is the memory for one sample where one evaluation of the network is
	// all there is to do: measurement, result, and some rows of either.
	proxBytes = 3 * 4
	// proxArenaBytes is what that evaluation takes: less than arenaBytes, for a little
	// more work in margins.
	proxArenaBytes = 320 << 20
	// arenaBytes is what an evaluation of the network takes where memory
	// allows; it cuts its own tiles to stay below.
	arenaBytes = 768 << 20
	// wholeBytes is what is always solved as a whole.
	wholeBytes = 64 << 20
	// programBytes is what the program is in memory besides its heap.
	programBytes = 32 << 20
	// maxWindow bounds the side of a window: beyond, the halo weighs little.
	maxWindow = 2048
)

// Memory is what a plan takes and what is available, in bytes.
type Memory struct {
	// Need is about what the solution of the whole problem takes.
	Need int64 `json:"need"`
	// Window is about what one window takes, 0 without windows.
	Window int64 `json:"window,omitempty"`
	// Available is the available memory, 0 if the problem is so small that New did not
	// look. Source is what limits it: "--memory" (the option), "GOMEMLIMIT", "system",
	// "cgroup" or "assumed".
	Available int64  `json:"available,omitempty"`
	Source    string `json:"bound,omitempty"`

	arena int64 // for one evaluation of the network; 0: the library's choice
}

// SourceOption is the Source of a limit that Options.Memory sets.
const SourceOption = "--memory"

func (m Memory) needText() string      { return sysmem.FormatSize(m.Need) }
func (m Memory) availableText() string { return sysmem.FormatSize(m.Available) }

// A MemoryError says that a problem is too large for the available memory.
type MemoryError struct {
	Scene  operators.Shape
	Memory Memory
	Why    string // why it is not cut into windows
}

func (e *MemoryError) Error() string {
	return fmt.Sprintf("restoring %v takes about %s of memory, %s are available (%s), and %s",
		e.Scene, e.Memory.needText(), e.Memory.availableText(), e.Memory.Source, e.Why)
}

// decideMemory decides whether the problem is solved as a whole or in windows.
func (p *Plan) decideMemory() error {
	n := int64(p.Scene.Len())
	_, _, local := p.Operator.Support()
	cuttable := p.policy.windows && (local || p.policy.rounded) && !(p.Operator.TakesBoundary() && p.Operator.Boundary() == operators.Circular)
	perSample, arena := int64(solverBytes), int64(arenaBytes)
	switch {
	case p.policy.rounded:
		perSample += roundedBytes
	case p.oneEvaluation() && !p.options.Discrepancy:
		perSample, arena = proxBytes, proxArenaBytes
	}
	p.Memory.Need = n*perSample + min(arena, n*1024)
	if p.options.Window > 0 && cuttable {
		return p.cut(p.options.Window, perSample, arena)
	}
	if p.options.Memory == 0 && p.Memory.Need < wholeBytes {
		return nil
	}
	left := p.budget()
	if p.Memory.Need <= left {
		p.Memory.arena = max(64<<20, min(arena, left-n*perSample))
		return nil
	}
	tooLarge := func(why string) error { return &MemoryError{p.Scene, p.Memory, why} }
	switch {
	case !p.policy.windows:
		return tooLarge("only denoise, blur and jpeg are cut into windows")
	case !local && !p.policy.rounded:
		return tooLarge("a blur that varies is not cut into windows")
	case !cuttable:
		return tooLarge("under the boundary circular, where opposite edges meet, it is not cut into windows")
	}
	left = max(left-4*n, left/8, 1<<20) // 4n: the result
	window := int(math.Sqrt(float64(left*2/3) / float64(p.Scene.C) / float64(perSample)))
	if err := p.cut(min(window, maxWindow), perSample, max(16<<20, min(arena, left/3))); err != nil {
		return tooLarge(err.Error())
	}
	return nil
}

// cut cuts the problem into windows that are as wide as that, with their halo, or as
// little wider as can be.
func (p *Plan) cut(window int, perSample, arena int64) error {
	halo, pitch, err := p.halo()
	if err != nil {
		return err
	}
	side := max(pitch, halo, (window-2*halo)/pitch*pitch)
	side = (side + pitch - 1) / pitch * pitch
	if side >= max(p.Scene.H, p.Scene.W) {
		return nil // a single window would be the image
	}
	wide := int64(side + 2*halo)
	p.Memory.arena = arena
	p.Memory.Window = wide*wide*int64(p.Scene.C)*perSample + arena
	p.Windows = &Windows{Side: side, Halo: halo, Count: len(spans(p.Scene.H, side, halo)) * len(spans(p.Scene.W, side, halo))}
	return nil
}

// MostMemory is about the largest number of bytes that a restoration of an image with
// so many samples takes, for any operator.
func MostMemory(samples int) int64 {
	n := int64(samples)
	return n*(solverBytes+roundedBytes) + min(arenaBytes, n*1024)
}

// affordable reports whether a problem that was planned as one evaluation, and
// turned out to want a solver, fits the memory.
func (p *Plan) affordable(scene operators.Shape) bool {
	need := int64(scene.Len())*solverBytes + p.Memory.arena
	return p.oneEvaluation() || p.Memory.Available == 0 || need <= p.Memory.Available/4*3
}

// budget finds out what memory there is and returns how much of it the
// restoration may take.
func (p *Plan) budget() int64 {
	p.Memory.Available, p.Memory.Source = p.options.Memory, SourceOption
	if p.options.Memory == 0 {
		r := sysmem.Available()
		if r.Source == "" {
			r = sysmem.Report{Available: 4 << 30, Source: "assumed"}
		}
		p.Memory.Available, p.Memory.Source = r.Available, r.Source
	}
	left := p.Memory.Available / 4 * 3
	if p.Memory.Source == SourceOption || p.Memory.Source == "GOMEMLIMIT" {
		// These count what is taken already: the image, first of all.
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		left -= int64(s.HeapAlloc) + programBytes
	}
	return left
}

// CollectorLimit is the soft limit of the Go heap (debug.SetMemoryLimit) that keeps a
// restoration in windows within its memory, given the bytes in use on the heap. Without
// a limit the garbage of past windows may become as large as that. A limit below that
// would keep the collector busy all the time.
func (m Memory) CollectorLimit(scene operators.Shape, heap int64) int64 {
	limit := m.Available / 10 * 9
	if m.Source != SourceOption {
		limit += heap
	}
	return max(limit, heap+4*int64(scene.Len())+m.Window+programBytes)
}
