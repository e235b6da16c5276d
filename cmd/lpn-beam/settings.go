package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/measured"
	"github.com/lpn-imaging/lpn/internal/sysmem"
	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// Settings are the flags of lpn restore, as they travel to the workers.
type Settings struct {
	Operator, Boundary, Noise, Prior, Solver, Strength, Range, Light, Missing string

	ByFile                bool // no operator was asked for: a JPEG file decides itself
	Iters, Tile, Threads  int
	Tol, Step, Rho, Scale float64
	Ensemble, Gray        bool
	Memory                string
	Format, Compression   string
	Bits, Quality         int
	Output                string  // the folder
	Giant                 float64 // megapixels beyond which all workers restore a TIFF or .npy
	Window                int     // the side of its windows
	Shards                int     // of the manifest
}

// register defines the flags.
func (s *Settings) register(f *flag.FlagSet) {
	f.StringVar(&s.Operator, "operator", "", "`SPEC` of what the camera did, as in lpn restore (default denoise; a JPEG file decides itself)")
	f.StringVar(&s.Boundary, "boundary", "", "what a blur sees beyond the frame (default symmetric; of blur:auto, valid)")
	f.StringVar(&s.Noise, "noise", "auto", "the noise: 0.1, 25/255, poisson:gain=G, a file, or auto")
	f.StringVar(&s.Prior, "prior", "", "`NAME` of a built-in prior, or a file that every worker can read (default: the one that fits)")
	f.StringVar(&s.Solver, "solver", "bpg", "`NAME` of the solver: "+strings.Join(restore.Solvers(), ", "))
	f.StringVar(&s.Strength, "strength", "", "regularise `T` times as much as the noise asks for, or discrepancy")
	f.StringVar(&s.Range, "range", "", "what is black and white in the files' numbers, `LO:HI`")
	f.StringVar(&s.Light, "light", "auto", "what blur and sr act on: `L` is linear, srgb or auto")
	f.StringVar(&s.Missing, "missing", "", "what marks missing samples, which the prior fills: `nan` or alpha")
	f.IntVar(&s.Iters, "iters", 0, "at most `N` iterations (default 200)")
	f.Float64Var(&s.Tol, "tol", 0, "stop when an iteration moves the picture by less than `T`; negative never stops")
	f.Float64Var(&s.Step, "step", 0, "step `E` of pgd, apgd and bpg")
	f.Float64Var(&s.Rho, "rho", 0, "penalty `R` of admm and hqs")
	f.Float64Var(&s.Scale, "scale", 0, "take the prior for one of `S` times less noise")
	f.BoolVar(&s.Ensemble, "ensemble", false, "average over the 8 flips and rotations")
	f.BoolVar(&s.Gray, "gray", false, "convert to luma first")
	f.IntVar(&s.Tile, "tile", 0, "evaluate the network in tiles of `N` pixels")
	f.IntVar(&s.Threads, "threads", 0, "cores that one restoration uses (default: all)")
	f.StringVar(&s.Memory, "memory", "", "a restoration stays below `SIZE`, as 4GiB")
	f.StringVar(&s.Output, "output", "", "write to the folder `DIR`, here or in a store (gs://, s3://)")
	f.StringVar(&s.Format, "format", "", "`FORMAT` of the outputs (default: the input's)")
	f.IntVar(&s.Bits, "bits", 0, "`N` bits a sample in PNG and TIFF: 8, 16 or 32 (default: as the input)")
	f.IntVar(&s.Quality, "quality", 95, "JPEG quality `N`, 1 to 100")
	f.StringVar(&s.Compression, "compression", "fast", "how PNG and TIFF are deflated: fast or small")
	f.Float64Var(&s.Giant, "giant", 500, "a TIFF or .npy beyond `M` megapixels is mapped, and cut into windows that all workers restore")
	f.IntVar(&s.Window, "window", 2048, "side in pixels of those windows, halo included")
	f.IntVar(&s.Shards, "manifest-shards", 1, "files that the manifest is written into, for very many inputs")
}

// id tells settings that make different outputs apart, by the content of their files.
// Where the output goes and how much of a machine is used make no difference.
func (s Settings) id() (string, error) {
	s.Output, s.Threads, s.Shards = "", 0, 0
	h := sha256.New()
	if err := json.NewEncoder(h).Encode(s); err != nil {
		return "", err
	}
	spec, err := operators.ParseSpec(s.operator())
	if err != nil {
		return "", err
	}
	for _, name := range []string{s.Prior, s.Noise, spec.File()} {
		if sum, err := measured.SHA256(name); err == nil {
			h.Write([]byte(sum))
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}

// A worker is what settings come to: what a process needs to restore files.
type worker struct {
	Settings
	choice  measured.Choice
	options restore.Options
	light   restore.Light
	write   imageio.Options
	id      string
	giants  giants
}

var (
	workersMu sync.Mutex
	workers   = map[Settings]*worker{}
)

// open makes the worker of settings, once in a process: the prior and the operator's
// file are read once, whatever the number of files.
func (s Settings) open() (*worker, error) {
	workersMu.Lock()
	defer workersMu.Unlock()
	if w := workers[s]; w != nil {
		return w, nil
	}
	w, err := s.make()
	if err == nil {
		workers[s] = w
	}
	return w, err
}

func (s Settings) make() (*worker, error) {
	flagged := func(name string, err error) error { return fmt.Errorf("--%s: %w", name, err) }
	w := &worker{Settings: s, write: imageio.Options{Format: s.Format, Bits: s.Bits, Quality: s.Quality, Compression: s.Compression}}
	switch {
	case s.Output == "":
		return nil, errors.New("--output: none; want a folder")
	case s.Format != "" && imageio.ExtensionOf(s.Format) == "":
		return nil, fmt.Errorf("--format: %q; want png, jpeg, tiff, npy, pfm, fits", s.Format)
	case s.Bits != 0 && s.Bits != 8 && s.Bits != 16 && s.Bits != 32:
		return nil, fmt.Errorf("--bits: %d; want 8, 16 or 32", s.Bits)
	case s.Quality < 1 || s.Quality > 100:
		return nil, fmt.Errorf("--quality: %d; want 1 to 100", s.Quality)
	case !slices.Contains([]string{"fast", "small"}, s.Compression):
		return nil, fmt.Errorf("--compression: %q; want fast or small", s.Compression)
	case !slices.Contains([]string{"", "nan", "alpha"}, s.Missing):
		return nil, fmt.Errorf("--missing: %q; want nan or alpha", s.Missing)
	case s.Shards < 1:
		return nil, fmt.Errorf("--manifest-shards: %d; want at least 1", s.Shards)
	case !(s.Giant > 0) || s.Window < 1:
		return nil, errors.New("--giant and --window: want positive numbers")
	}
	var known bool
	if w.light, known = measured.Lights[s.Light]; !known {
		return nil, fmt.Errorf("--light: %q; want linear, srgb or auto", s.Light)
	}
	spec, err := operators.ParseSpec(s.operator())
	if err != nil {
		return nil, flagged("operator", err)
	}
	boundary := operators.Symmetric
	if spec.Auto() {
		boundary = operators.Valid // nothing is known beyond the frame of a photograph
	}
	if s.Boundary != "" {
		if boundary, err = operators.ParseBoundary(s.Boundary); err != nil {
			return nil, flagged("boundary", err)
		}
	}
	w.choice = measured.Choice{ByFile: s.ByFile}
	if w.choice.Spec, err = spec.WithBoundary(boundary).Load(operatorFile); err != nil {
		return nil, flagged("operator", err)
	}
	if w.choice.Noise, err = noise.Parse(s.Noise, operatorFile); err != nil {
		return nil, flagged("noise", err)
	}
	if w.choice.Range, err = parseRange(s.Range); err != nil {
		return nil, err
	}
	w.options = restore.Options{
		Choose: priors.For, Solver: s.Solver, Iters: s.Iters, Tol: s.Tol, Step: s.Step, Rho: s.Rho,
		Scale: s.Scale, Ensemble: s.Ensemble, Tile: s.Tile, Threads: s.Threads,
	}
	switch {
	case s.Strength == "discrepancy":
		w.options.Strength, w.options.Discrepancy = 1, true
	case s.Strength != "":
		if w.options.Strength, err = strconv.ParseFloat(s.Strength, 64); err != nil || w.options.Strength == 0 {
			return nil, fmt.Errorf("--strength: %q is not a number it can take, nor discrepancy", s.Strength)
		}
	}
	if s.Memory != "" {
		if w.options.Memory, err = sysmem.ParseSize(s.Memory); err != nil {
			return nil, flagged("memory", err)
		}
	}
	if w.id, err = s.id(); err != nil {
		return nil, flagged("operator", err)
	}
	if s.Prior != "" {
		if w.options.Prior, err = findPrior(s.Prior); err != nil {
			return nil, flagged("prior", err)
		}
		w.choice.Prior = w.options.Prior
	}
	return w, w.options.Validate()
}

func (s Settings) operator() string {
	if s.Operator == "" {
		return "denoise"
	}
	return s.Operator
}

// findPrior finds a prior by the name of a built-in one or by file.
func findPrior(name string) (priors.Prior, error) {
	p, err := priors.Open(name)
	if err == nil {
		return p, nil
	}
	file, ferr := priors.File(name)
	if errors.Is(ferr, fs.ErrNotExist) && !strings.ContainsAny(name, `./\`) {
		return p, err
	}
	return file, ferr
}

// operatorFile reads a kernel, a mask or a map of noise.
func operatorFile(path string) (operators.Image, error) {
	p, err := imageio.Read(path)
	var bad *imageio.Error
	switch {
	case err == nil:
		return p.Luma().Image, nil
	case !errors.As(err, &bad):
		return operators.Image{}, err
	}
	m, terr := imageio.ReadTable(path)
	if errors.Is(terr, imageio.ErrNoTable) {
		return operators.Image{}, err // it looked like a picture: say what is wrong with it
	}
	return m, terr
}

// parseRange reads --range, LO:HI; "" is the zero Range.
func parseRange(s string) (r restore.Range, err error) {
	if s == "" {
		return r, nil
	}
	lo, hi, _ := strings.Cut(s, ":")
	l, errLo := strconv.ParseFloat(lo, 64)
	h, errHi := strconv.ParseFloat(hi, 64)
	if errLo != nil || errHi != nil || !(l < h) {
		return r, fmt.Errorf("--range: %q; want LO:HI, two numbers of which the first is smaller", s)
	}
	return restore.Range{Lo: l, Hi: h}, nil
}
