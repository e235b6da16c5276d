package lpn

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/lpn-imaging/lpn/internal/atomicfile"
	"github.com/lpn-imaging/lpn/internal/checkpoint"
	"github.com/lpn-imaging/lpn/internal/network"
)

// A Prior file is a safetensors file: the weights, and in the metadata the
// config ("lpn.config"), the gain bound ("lpn.growth_bound"), the certificate
// ("lpn.certificate") and whatever the
// maker noted, all as text.
const (
	keyConfig      = "lpn.config"
	keyGain        = "lpn.growth_bound"
	keyCertificate = "lpn.certificate"
)

// ErrCorrupted reports a file whose checksum does not match its content.
var ErrCorrupted = checkpoint.ErrCorrupted

// Open reads a network from a file written by Save. It refuses weights that
// break the constraints on which the guarantee rests.
func Open(path string) (n *Network, err error) {
	err = checkpoint.Open(path, func(r io.ReaderAt, size int64) (err error) {
		n, err = Read(r, size)
		return err
	})
	return n, err
}

// Read reads a network from the first size bytes of r.
func Read(r io.ReaderAt, size int64) (*Network, error) {
	tensors, meta, err := checkpoint.Read(r, size)
	if err != nil {
		return nil, err
	}
	text, ok := meta[keyConfig]
	if !ok {
		return nil, fmt.Errorf("no %s in the metadata: not a prior made by lpn", keyConfig)
	}
	var cfg Config
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields() // what this version does not know would change f
	if err := d.Decode(&cfg); err != nil {
		return nil, fmt.Errorf("%s: %s", keyConfig, strings.TrimPrefix(err.Error(), "json: "))
	}
	params := map[string][]float32{}
	for _, t := range tensors {
		params[t.Name] = t.Data
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	for _, s := range cfg.Definition().Params {
		i := slices.IndexFunc(tensors, func(t checkpoint.Tensor) bool { return t.Name == s.Name })
		if i >= 0 && !slices.Equal(tensors[i].Shape, s.Dims) {
			return nil, fmt.Errorf("weight %s has shape %v, want %v", s.Name, tensors[i].Shape, s.Dims)
		}
	}
	// Rounding moves the constraints that are equalities by as much.
	cfg.Definition().ProjectEqualities(params)
	n, err := FromParams(cfg, params)
	if err != nil {
		return nil, err
	}
	// The bound travels with the weights that the checksum ties it to; Verify
	// measures it again.
	if g, err := strconv.ParseFloat(meta[keyGain], 64); err == nil && g > 0 {
		n.gain = func() float64 { return g }
	}
	delete(meta, keyConfig)
	delete(meta, keyGain)
	n.meta = meta
	return n, nil
}

// halved says whether a weight is stored in half precision on request: large
// ones are, but not thresholds and logarithms, for which it would be too
// coarse, nor those whose equality constraints it would break.
func halved(p network.Param) bool {
	return p.Len() >= 512 && (p.Constraint == network.Free || p.Constraint == network.NonNegative)
}

// Half returns the network with its large weights rounded to half precision, and scaled
// again to be well posed. Save stores exactly this network in half the space.
func (n *Network) Half() *Network {
	params := map[string][]float32{}
	for _, s := range n.cfg.Definition().Params {
		w := n.params[s.Name]
		if halved(s) {
			w = slices.Clone(w)
			checkpoint.RoundHalf(w)
		}
		params[s.Name] = w
	}
	return newNetwork(n.cfg, params, n.meta).WellPosed()
}

// Save writes the network to path, completely or not at all. With half, large weights
// are stored in half precision: see Half.
func (n *Network) Save(path string, half bool) error {
	return atomicfile.Write(path, func(w io.Writer) error { return n.Write(w, half) })
}

// Write is Save to a writer.
func (n *Network) Write(w io.Writer, half bool) error {
	text, err := json.Marshal(n.cfg)
	if err != nil {
		return err
	}
	meta := map[string]string{keyConfig: string(text), keyGain: strconv.FormatFloat(n.GainBound(), 'g', 8, 64)}
	for k, v := range n.meta {
		meta[k] = v
	}
	var tensors []checkpoint.Tensor
	large := map[string]bool{}
	for _, s := range n.cfg.Definition().Params {
		tensors = append(tensors, checkpoint.Tensor{Name: s.Name, Shape: s.Dims, Data: n.params[s.Name]})
		large[s.Name] = halved(s)
	}
	return checkpoint.Write(w, tensors, meta, func(name string) bool { return half && large[name] })
}

// Meta returns a note stored with the network: how it was trained, what it
// measured.
func (n *Network) Meta(key string) string { return n.meta[key] }

// WithMeta returns the same network with a note added.
func (n *Network) WithMeta(key, value string) *Network {
	c := *n
	c.meta = map[string]string{key: value}
	for k, v := range n.meta {
		if k != key {
			c.meta[k] = v
		}
	}
	return &c
}

// MetaRange is the key of the note with the numbers of black and white, as LO:HI, of
// training pictures that were not in [0,1], such as counts.
const MetaRange = "range"

// Range is black and white of the training pictures, in the numbers of their files; ok
// is false if they were image files, from 0 to 1.
func (n *Network) Range() (lo, hi float64, ok bool) {
	a, b, _ := strings.Cut(n.meta[MetaRange], ":")
	lo, err1 := strconv.ParseFloat(a, 64)
	hi, err2 := strconv.ParseFloat(b, 64)
	return lo, hi, err1 == nil && err2 == nil && hi > lo
}

// ImportTorch reads a checkpoint of the reference PyTorch code. Sharpness and strong
// convexity are not in the file: beta and alpha (in the reference code's units, alpha
// ||x||^2) override the code's defaults if they are positive; sigma is the noise level
// that the network was trained at.
func ImportTorch(path string, beta, alpha, sigma float64) (*Network, error) {
	t, err := checkpoint.ReadTorchFile(path)
	if err != nil {
		return nil, err
	}
	n, err := fromTorch(t, beta, alpha, sigma)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return n, nil
}

func fromTorch(t map[string]checkpoint.Tensor, beta, alpha, sigma float64) (*Network, error) {
	kind, hidden, in, err := checkpoint.RecogniseTorch(t)
	if err != nil {
		return nil, err
	}
	var cfg Config
	switch kind {
	case checkpoint.TorchDense:
		cfg = Dense(in, hidden, (len(t)-1)/3)
	case checkpoint.TorchMNIST:
		cfg = MNIST(hidden)
		cfg.Channels = in
	case checkpoint.Torch128:
		cfg = Paper128(in, hidden)
	}
	if beta > 0 {
		cfg.Softplus.Beta = beta
	}
	if alpha > 0 {
		cfg.Alpha = 2 * alpha
	}
	if sigma > 0 {
		cfg.Sigma = sigma
	}
	params := map[string][]float32{}
	for name, x := range checkpoint.FromTorch(t, kind) {
		params[name] = x.Data
	}
	return FromParams(cfg, params)
}
