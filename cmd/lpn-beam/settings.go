package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lpn-imaging/lpn/internal/flags"
	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/measured"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// Settings are the flags of lpn restore, as they travel to the workers. Zero values are
// flags that were not given.
type Settings struct {
	flags.Recipe

	Operator, Boundary, Noise, Range string
	Light, Missing, Weights, Start   string
	Gray                             bool
	Page                             int // from 1; 0 for all
	Reference                        string
	Timeout                          time.Duration
	Format, Compression              string
	Bits, Quality                    int
	Output                           string  // the folder
	Giant                            float64 // megapixels beyond which all workers restore a TIFF or .npy
	Window                           int     // the side of its windows
	Shards                           int     // of the manifest
	ID                               string  // tells settings with different outputs apart; Sealed sets it
}

// register defines the flags.
func (s *Settings) register(f *flag.FlagSet) {
	f.StringVar(&s.Operator, "operator", "", "`SPEC` of what the camera did, as in lpn restore (default denoise; a JPEG file decides itself)")
	f.StringVar(&s.Boundary, "boundary", "", "what a blur sees beyond the frame (default symmetric; of blur:auto, valid)")
	f.StringVar(&s.Noise, "noise", "", "the noise: 0.1, 25/255, poisson:gain=G, a file, or auto (default auto)")
	f.StringVar(&s.Prior, "prior", "", "`NAME` of a built-in prior, or a file (default: the one that fits)")
	f.StringVar(&s.Solver, "solver", "", "`NAME` of the solver: "+strings.Join(restore.Solvers(), ", ")+" (default bpg)")
	f.StringVar(&s.Strength, "strength", "", "regularise `T` times as much as the noise asks for, or discrepancy")
	f.StringVar(&s.Params, "params", "", "take the parameters that no flag sets from `FILE`, written by lpn tune")
	f.StringVar(&s.Range, "range", "", "what is black and white in the files' numbers, `LO:HI`")
	f.StringVar(&s.Light, "light", "", "what blur and sr act on: `L` is linear, srgb or auto (default auto)")
	f.StringVar(&s.Missing, "missing", "", "what marks missing samples, which the prior fills: `nan` or alpha")
	f.StringVar(&s.Weights, "weights", "", "the inverse variance of each sample or pixel, in `FILE`, of the size of every input; 0 is missing")
	f.StringVar(&s.Start, "psf-start", "", "begin the search of blur:auto with the kernel in `FILE`")
	f.StringVar(&s.Reference, "reference", "", "compare with the true picture `FILE`, or those of the same names in a folder: adds PSNR and SSIM to the manifest")
	f.IntVar(&s.Iters, "iters", 0, "at most `N` iterations (default 200)")
	f.Func("tol", "stop when an iteration moves the picture by less than `T`, relative; 0 never stops (default 1e-4 of bpg, else 1e-6)", func(text string) error {
		v, err := strconv.ParseFloat(text, 64)
		if err == nil {
			s.Tol, err = flags.Tol(v)
		}
		return err
	})
	f.Float64Var(&s.Step, "step", 0, "step `E` of pgd, apgd and bpg")
	f.Float64Var(&s.Rho, "rho", 0, "penalty `R` of admm and hqs")
	f.Float64Var(&s.Scale, "scale", 0, "take the prior for one of `S` times less noise")
	f.BoolVar(&s.Ensemble, "ensemble", false, "average over the 8 flips and rotations")
	f.BoolVar(&s.Gray, "gray", false, "convert to luma first")
	f.IntVar(&s.Page, "page", 0, "restore only page `N` of files with several, counted from 1 (default: every page, into one file)")
	f.IntVar(&s.Tile, "tile", 0, "evaluate the network in tiles of `N` pixels")
	f.IntVar(&s.Threads, "threads", 0, "`N` cores for one restoration (default: all)")
	f.StringVar(&s.Memory, "memory", "", "a restoration stays below `SIZE`, as 4GiB")
	f.DurationVar(&s.Timeout, "timeout", 0, "give up on a file, or on a window of a giant picture, after `D`, as 90s or 5m")
	f.StringVar(&s.Output, "output", "", "write to the folder `DIR`, here or in a store (gs://, s3://)")
	f.StringVar(&s.Output, "o", "", "the same")
	f.StringVar(&s.Format, "format", "", "`FORMAT` of the outputs (default: the input's)")
	f.IntVar(&s.Bits, "bits", 0, "`N` bits a sample in PNG and TIFF: 8, 16 or 32 (default: as the input)")
	f.IntVar(&s.Quality, "quality", 95, "JPEG quality `N`, 1 to 100")
	f.StringVar(&s.Compression, "compression", "fast", "how PNG and TIFF are deflated: fast or small")
	f.Float64Var(&s.Giant, "giant", 500, "a TIFF or .npy beyond `M` megapixels is mapped, and cut into windows that all workers restore")
	f.IntVar(&s.Window, "window", 2048, "side in pixels of those windows, halo included")
	f.IntVar(&s.Shards, "manifest-shards", 1, "files that the manifest is written into, for very many inputs")
}

// files are the fields that name files that every worker reads, each alone.
func (s *Settings) files() []*string {
	return []*string{&s.Prior, &s.Params, &s.Weights, &s.Start}
}

// noiseFile is the file that --noise names, if it names one.
func (s *Settings) noiseFile() string { return strings.TrimPrefix(s.Noise, "map:") }

// absolute makes names of files mean the same in every process. A name that is no file
// here stays as it is: it may be that of a prior, or exist on the workers only.
func (s *Settings) absolute() error {
	spec, err := operators.ParseSpec(s.operator())
	if err != nil {
		return &flags.Error{Flag: "operator", Err: err}
	}
	here := func(name string) string {
		if st, err := os.Stat(name); err != nil || st.IsDir() {
			return name
		}
		if abs, err := filepath.Abs(name); err == nil {
			return abs
		}
		return name
	}
	for _, name := range s.files() {
		*name = here(*name)
	}
	for in, name := range map[*string]string{&s.Noise: s.noiseFile(), &s.Operator: spec.File()} {
		if abs := here(name); name != "" && abs != name {
			*in = strings.Replace(*in, name, abs, 1)
		}
	}
	if s.Output, err = absolute(s.Output); err == nil {
		s.Reference, err = absolute(s.Reference)
	}
	return err
}

// Sealed is the settings with their ID, which depends on the content of the files that
// they name. What makes no difference to outputs is left out: where they go, what they
// are compared with, and how much of a machine is used.
func (s Settings) Sealed() (Settings, error) {
	spec, err := operators.ParseSpec(s.operator())
	if err != nil {
		return s, &flags.Error{Flag: "operator", Err: err}
	}
	t := s
	t.ID, t.Output, t.Reference, t.Threads, t.Shards, t.Timeout = "", "", "", 0, 0, 0
	h := sha256.New()
	if err := json.NewEncoder(h).Encode(t); err != nil {
		return s, err
	}
	names := []string{s.noiseFile(), spec.File()}
	for _, name := range s.files() {
		names = append(names, *name)
	}
	for _, name := range names {
		if sum, err := measured.SHA256(name); err == nil {
			fmt.Fprintln(h, name, sum)
		}
	}
	s.ID = hex.EncodeToString(h.Sum(nil)[:8])
	return s, nil
}

// A worker is what settings come to: what a process needs to restore files.
type worker struct {
	Settings
	choice  measured.Choice
	options restore.Options
	light   restore.Light
	weights *operators.Image // of --weights, nil for none
	write   imageio.Options
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

// here is open in a worker, whose machine an error names: a file that a flag names may
// be missing there, or be another than where the job began.
func (s Settings) here() (*worker, error) {
	w, err := s.open()
	if err != nil {
		host, _ := os.Hostname()
		err = fmt.Errorf("worker on %s: %w", host, err)
	}
	return w, err
}

func (s Settings) make() (*worker, error) {
	flagged := func(name string, err error) error { return &flags.Error{Flag: name, Err: err} }
	w := &worker{Settings: s, write: imageio.Options{Format: s.Format, Bits: s.Bits, Quality: s.Quality, Compression: s.Compression}}
	switch {
	case s.Output == "":
		return nil, errors.New("--output: none; want a folder")
	case s.Format != "" && imageio.ExtensionOf(s.Format) == "":
		return nil, fmt.Errorf("--format: %q; want png, jpeg, tiff, npy, pfm, exr, fits", s.Format)
	case s.Bits != 0 && s.Bits != 8 && s.Bits != 16 && s.Bits != 32:
		return nil, fmt.Errorf("--bits: %d; want 8, 16 or 32", s.Bits)
	case s.Quality < 1 || s.Quality > 100:
		return nil, fmt.Errorf("--quality: %d; want 1 to 100", s.Quality)
	case !slices.Contains([]string{"fast", "small"}, s.Compression):
		return nil, fmt.Errorf("--compression: %q; want fast or small", s.Compression)
	case !slices.Contains([]string{"", "nan", "alpha"}, s.Missing):
		return nil, fmt.Errorf("--missing: %q; want nan or alpha", s.Missing)
	case s.Page < 0:
		return nil, fmt.Errorf("--page: %d; want 1 or more", s.Page)
	case s.Timeout < 0:
		return nil, fmt.Errorf("--timeout: %s; want a positive time", s.Timeout)
	case s.Shards < 1:
		return nil, fmt.Errorf("--manifest-shards: %d; want at least 1", s.Shards)
	case !(s.Giant > 0) || s.Window < 1:
		return nil, errors.New("--giant and --window: want positive numbers")
	}
	var known bool
	if w.light, known = measured.Lights[cmp.Or(s.Light, "auto")]; !known {
		return nil, fmt.Errorf("--light: %q; want linear, srgb or auto", s.Light)
	}
	spec, err := operators.ParseSpec(s.operator())
	if err != nil {
		return nil, flagged("operator", err)
	}
	boundary := operators.Symmetric
	if spec.Auto() {
		boundary = operators.Valid // nothing is known beyond the frame of a photograph
	} else if s.Start != "" {
		return nil, errors.New("--psf-start: goes with --operator blur:auto")
	}
	if s.Boundary != "" {
		if boundary, err = operators.ParseBoundary(s.Boundary); err != nil {
			return nil, flagged("boundary", err)
		}
	}
	recipe, err := s.Recipe.Choice()
	if err != nil {
		return nil, err
	}
	if err := recipe.Open(); err != nil {
		return nil, err
	}
	w.options, w.choice.Prior = recipe.Options, recipe.Prior
	// A JPEG file decides itself where no flag says what it is.
	w.choice.ByFile = s.Operator == "" && s.Params == "" && !recipe.Discrepancy && s.Range == "" && s.Missing == "" && s.Weights == ""
	if w.choice.Spec, err = spec.WithBoundary(boundary).Load(flags.Opener(spec)); err != nil {
		return nil, flagged("operator", err)
	}
	if w.choice.Noise, err = noise.Parse(cmp.Or(s.Noise, noise.Auto), flags.File); err != nil {
		return nil, flagged("noise", err)
	}
	if w.choice.Range, err = flags.Range(s.Range); err != nil {
		return nil, err
	}
	if w.choice.Start, err = flags.Kernel(s.Start); err != nil {
		return nil, err
	}
	if s.Weights != "" {
		m, err := flags.Weights(s.Weights)
		if err != nil {
			return nil, flagged("weights", err)
		}
		w.weights = &m
	}
	if now, err := s.Sealed(); err != nil {
		return nil, err
	} else if s.ID != "" && now.ID != s.ID {
		return nil, errors.New("a file that a flag names is another here than where the job began")
	}
	return w, nil
}

func (s Settings) operator() string { return cmp.Or(s.Operator, "denoise") }
