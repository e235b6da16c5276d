package train

import (
	"fmt"
	"math"
	"slices"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/internal/network"
	"github.com/lpn-imaging/lpn/lpn"
)

// A model is a network in training: its live weights, and one gorgonia graph
// for each chunk of the batch, all over the same weights. Chunks run on any
// number of workers and their gradients are added in the order of the chunks,
// so the result has the same bits for any number of threads.
type model struct {
	cfg     lpn.Config
	specs   []network.Param
	params  map[string][]float32
	grads   map[string][]float32
	shape   modelShape
	chunks  []*chunk
	shared  *shared
	pool    *kernel.Pool
	sweep   sweep
	penalty *gainPenalty // nil without a penalty on waves
}

// modelShape is a batch: n samples of h x w, each seen in so many views, one after the
// other.
type modelShape struct{ n, h, w, views int }

type chunk struct {
	*graph
	first, n int // the pictures that it takes, all views of a sample
	loss     float64
	lossFn   *lossFunc
	err      error
}

// newModel copies params and builds the graphs.
func newModel(cfg lpn.Config, params map[string][]float32, s modelShape, chunks, threads int) (*model, error) {
	m := &model{cfg: cfg, specs: cfg.Definition().Params, params: map[string][]float32{}, grads: map[string][]float32{}, shape: s}
	for _, p := range m.specs {
		n := p.Len()
		// Room for two elements: see length.
		m.params[p.Name] = append(make([]float32, 0, max(2, n)), params[p.Name]...)
		m.grads[p.Name] = make([]float32, n)
		if len(m.params[p.Name]) != n {
			return nil, fmt.Errorf("train: weight %s has %d elements, want %d", p.Name, len(params[p.Name]), n)
		}
	}
	m.shared = newShared(m.params)
	chunks = max(1, min(chunks, s.n))
	for i := range chunks {
		c := &chunk{first: i * s.n / chunks * s.views}
		c.n = (i+1)*s.n/chunks*s.views - c.first
		b := newBuilder(cfg, m.shared, network.Dims{N: c.n * cfg.Channels, H: s.h, W: s.w, C: 1})
		c.lossFn = &lossFunc{kind: L2, size: cfg.Channels * s.h * s.w, total: s.n, unit: cfg.Unit}
		var err error
		if c.graph, err = b.compile(cfg.Definition().Record(b), c.lossFn.eval, c.lossFn.grad); err != nil {
			return nil, err
		}
		m.chunks = append(m.chunks, c)
	}
	// The largest filters first: they are packed by several workers.
	slices.SortStableFunc(m.shared.list, func(a, b *packed) int { return len(b.weight) - len(a.weight) })
	m.pool = kernel.NewPool(threads)
	m.sweep = newSweep(m.specs)
	return m, nil
}

func (m *model) close() {
	m.pool.Close()
	for _, c := range m.chunks {
		c.vm.Close()
	}
}

// Part runs one chunk, or last the penalty.
func (m *model) Part(_, part int) {
	if part == len(m.chunks) {
		m.penalty.run()
		return
	}
	c := m.chunks[part]
	c.loss, c.err = c.graph.run()
}

// gradient leaves the gradient of the loss over a batch of noisy pictures y
// and clean pictures x in m.grads and returns the loss. That of the penalty is
// left to push.
func (m *model) gradient(y, x []float32, kind Loss, gamma float64) (float64, error) {
	size := m.cfg.Channels * m.shape.h * m.shape.w
	k := float32(1 / m.cfg.Unit)
	m.pool.Do(m.shared, len(m.shared.list))
	for _, c := range m.chunks {
		lo, hi := c.first*size, (c.first+c.n)*size
		kernel.Scale(c.input[:hi-lo], y[lo:hi], k)
		kernel.Scale(c.extra[:hi-lo], x[lo:hi], k)
		c.lossFn.kind, c.lossFn.gamma = kind, gamma/m.cfg.Unit
	}
	parts := len(m.chunks)
	if m.penalty != nil {
		parts++
	}
	m.pool.Do(m, parts)
	loss := 0.0
	for _, c := range m.chunks {
		if c.err != nil {
			return 0, c.err
		}
		loss += c.loss
	}
	grads := make([]map[string][]float32, 0, parts)
	for _, c := range m.chunks {
		grads = append(grads, c.grads)
	}
	m.each(func(_ int, s segment) {
		name := m.specs[s.of].Name
		g := m.grads[name][s.lo:s.hi]
		clear(g)
		for _, c := range grads {
			if h := c[name]; h != nil {
				kernel.Add(g, g, h[s.lo:s.hi])
			}
		}
	})
	if m.penalty != nil {
		m.penalty.step++
	}
	return loss, nil
}

// push adds the gradient of the penalty to that of the loss, but never more
// than half as much: where many waves are amplified the pictures still say where to
// go.
func (m *model) push() {
	if m.penalty == nil {
		return
	}
	m.cfg.Definition().ProjectGradient(m.penalty.grads, m.params)
	limit, size := m.norm()/2, 0.0
	for _, p := range m.specs {
		if g := m.penalty.grads[p.Name]; g != nil {
			size += kernel.Dot(g, g)
		}
	}
	k := float32(min(1, limit/max(1e-30, math.Sqrt(size))))
	for _, p := range m.specs {
		if g := m.penalty.grads[p.Name]; g != nil {
			kernel.Axpy(m.grads[p.Name], k, g)
		}
	}
}

// snapshot copies the live weights.
func (m *model) snapshot() map[string][]float32 {
	out := map[string][]float32{}
	for name, w := range m.params {
		out[name] = slices.Clone(w)
	}
	return out
}
