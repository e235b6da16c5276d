//go:build !notrain

package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/lpn-imaging/lpn/internal/network"
	"github.com/lpn-imaging/lpn/internal/plot"
	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/lpn/train"
	"github.com/urfave/cli/v2"
)

// An architecture is a network that --arch names, with the recipe that suits
// it.
type architecture struct {
	config func(channels int, sigma float64) lpn.Config
	batch  int
	patch  int // 0: the network's own size
	lr     float64
	steps  int
	plan   func(steps int, lr float64) train.Plan
	tune   func(o *train.Options)
	// laplace says that the samples are drawn, not read; upright that pictures
	// are not to be flipped and turned.
	laplace, upright bool
}

var architectures = map[string]architecture{
	"pyramid": {lpn.Pyramid, 4, 48, 3e-3, 25000, cosinePlan, pyramidRecipe, false, false},
	"natural": {lpn.Natural, 4, 48, 4e-3, 30000, cosinePlan, pyramidRecipe, false, false},
	"softplus": {func(channels int, sigma float64) lpn.Config { return lpn.SoftplusAny(channels, 64, 4, sigma) },
		16, 48, 1e-3, 20000, paperPlan, nil, false, false},
	"mnist": {func(_ int, sigma float64) lpn.Config {
		c := lpn.MNIST(64)
		c.Sigma = sigma
		return c
	}, 200, 0, 1e-3, 40000, paperPlan, nil, false, true},
	"paper128": {func(channels int, sigma float64) lpn.Config {
		c := lpn.Paper128(channels, 256)
		c.Sigma = sigma
		return c
	}, 64, 0, 1e-3, 40000, paperPlan, nil, false, false},
	"laplace": {func(_ int, sigma float64) lpn.Config {
		c := lpn.Dense(1, 50, 4)
		c.Sigma = sigma
		return c
	}, 2000, 0, 1e-3, 40000, paperPlan, nil, true, false},
}

// recipe is the architecture that the flags name, or the preset as one.
func (o *trainOptions) recipe() (architecture, error) {
	if o.preset == "" {
		a, known := architectures[o.arch]
		if !known {
			return a, usagef("--arch: unknown network %q%s; want %s", o.arch, suggest(o.arch, architectureNames), strings.Join(architectureNames, ", "))
		}
		return a, nil
	}
	p, err := train.PresetNamed(o.preset, o.channels)
	if err != nil {
		return architecture{}, usagef("--preset: unknown recipe %q%s; want %s", o.preset, suggest(o.preset, train.PresetNames()), strings.Join(train.PresetNames(), ", "))
	}
	o.channels = p.Config.Channels
	if o.start == "" {
		o.start = p.From
	}
	return architecture{
		config: func(int, float64) lpn.Config { return p.Config },
		batch:  p.Batch, patch: p.Patch, lr: p.Plan[0].Rate, steps: p.Plan.Steps(),
		plan: func(steps int, lr float64) train.Plan { return p.Plan.Stretched(steps, lr) },
		tune: func(t *train.Options) {
			q := p.Options()
			t.Beta2, t.Clip, t.EMA, t.GainPenalty = q.Beta2, q.Clip, q.EMA, q.GainPenalty
		},
		laplace: p.Laplace, upright: p.Upright,
	}, nil
}

var architectureNames = []string{"pyramid", "natural", "softplus", "mnist", "paper128", "laplace"}

// cosinePlan is squared error at a rate that warms up and falls to zero.
func cosinePlan(steps int, lr float64) train.Plan {
	return train.Plan{{Loss: train.L2, Steps: steps, Rate: lr, Warmup: 0.05, Cosine: true}}
}

// paperPlan is the paper's, its rates scaled so that the first is lr.
func paperPlan(steps int, lr float64) train.Plan {
	p := train.Paper(steps)
	for i := range p {
		p[i].Rate *= lr / 1e-3
	}
	return p
}

// pyramidRecipe is what the pyramid of gated energies trains with; the
// penalty keeps it from amplifying strong waves.
func pyramidRecipe(o *train.Options) {
	o.Beta2, o.Clip, o.EMA, o.GainPenalty = 0.99, 0.5, 0.995, 50
}

type trainOptions struct {
	data, valid string
	arch        string
	preset      string
	config      string
	sigma       float64
	channels    int
	patch       int
	batch       int
	steps       int
	lr          float64
	plan        string
	start       string
	checkpoint  string
	every       int
	resume      string
	log         string
	plot        string
	seed        uint64
	threads     int
	out         string
	half        bool
	force       bool
}

func trainCommand() *cli.Command {
	return &cli.Command{
		Name:  "train",
		Usage: "train a prior on a folder of images",
		Description: "A plan is stages of loss:steps@rate, such as\n" +
			"'l2:20k@6e-3,warmup=0.05,cosine;pm:5k@1e-4,gamma=0.08', or a JSON file of them.\n" +
			"Ctrl-C writes the checkpoint; --resume continues from it to the same weights.\n\n" +
			"Example: lpn train --data photos/ --sigma 25/255 -o prior" + priorExt,
		Flags: common(
			&cli.StringFlag{Name: "data", Usage: "`DIR` of images, an image, or an idx file; with --arch laplace none"},
			&cli.StringFlag{Name: "valid", Usage: "`DIR` of images to validate on", DefaultText: "every 20th of the data"},
			&cli.StringFlag{Name: "arch", Value: "pyramid", Usage: "`NAME` of the network: " + strings.Join(architectureNames, ", ")},
			&cli.StringFlag{Name: "preset", Usage: "recipe `NAME` of a shipped prior, or quick: network, plan and all; --plan, --steps and --lr still count"},
			&cli.StringFlag{Name: "config", Usage: "network described by `FILE`.json, as info --json shows it, instead of --arch"},
			&cli.StringFlag{Name: "sigma", Value: "25/255", Usage: "noise level `S` to train for, as 0.1 or 25/255"},
			&cli.IntFlag{Name: "channels", Value: 1, Usage: "`N` is 1 (gray) or 3 (colour)"},
			&cli.IntFlag{Name: "patch", Usage: "side `N` of the training patches", DefaultText: "by the network"},
			&cli.IntFlag{Name: "batch", Usage: "`N` patches a step", DefaultText: "by the network"},
			&cli.IntFlag{Name: "steps", Usage: "`N` steps", DefaultText: "by the network"},
			&cli.Float64Flag{Name: "lr", Usage: "learning rate `E`", DefaultText: "by the network"},
			&cli.StringFlag{Name: "plan", Usage: "`FILE`.json or stages, instead of --steps and --lr"},
			&cli.StringFlag{Name: "start", Usage: "begin from the weights of a `PRIOR` of the same network"},
			&cli.StringFlag{Name: "checkpoint", Usage: "keep the state of training in `FILE`", DefaultText: "the output with .checkpoint added, removed at the end"},
			&cli.IntFlag{Name: "every", Value: 1000, Usage: "validate, log and write the checkpoint every `N` steps"},
			&cli.StringFlag{Name: "resume", Usage: "continue from the checkpoint `FILE`; the other flags must be those it was begun with"},
			&cli.StringFlag{Name: "log", Usage: "write a row at each validation to `FILE`.csv"},
			&cli.StringFlag{Name: "plot", Usage: "draw the learning curve, from --log, to `FILE`.png or .svg"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the prior to `FILE`" + priorExt},
			&cli.BoolFlag{Name: "half", Usage: "store the weights in half precision"},
			&cli.BoolFlag{Name: "force", Usage: "overwrite outputs that exist"}),
		Action: action(func(c *cli.Context, con *console) error {
			if err := wantArgs(c, 0, "flags only"); err != nil {
				return err
			}
			sigma, ok := parseLevel(c.String("sigma"))
			if !ok || !(sigma > 0) {
				return usagef("--sigma: %q is not a number in (0,1] or a fraction like 25/255", c.String("sigma"))
			}
			if c.IsSet("arch") && c.IsSet("config") {
				return usagef("--arch and --config exclude each other")
			}
			for _, other := range []string{"arch", "config", "sigma"} {
				if c.IsSet("preset") && c.IsSet(other) {
					return usagef("--preset and --%s exclude each other", other)
				}
			}
			o := trainOptions{
				preset: c.String("preset"), data: c.String("data"), valid: c.String("valid"), arch: c.String("arch"), config: c.String("config"),
				sigma: sigma, channels: c.Int("channels"), patch: c.Int("patch"), batch: c.Int("batch"),
				steps: c.Int("steps"), lr: c.Float64("lr"), plan: c.String("plan"), start: c.String("start"),
				checkpoint: c.String("checkpoint"), every: c.Int("every"), resume: c.String("resume"), log: c.String("log"), plot: c.String("plot"),
				seed: c.Uint64("seed"), threads: c.Int("threads"), out: c.String("output"), half: c.Bool("half"), force: c.Bool("force"),
			}
			return o.run(c.Context, con)
		}),
	}
}

// mostBatch bounds the memory that one step takes.
const mostBatch = 4096

// check refuses flags that make no sense, before any work.
func (o *trainOptions) check() error {
	arch, err := o.recipe()
	if err != nil {
		return err
	}
	switch {
	case o.out == "":
		return usagef("train wants -o PRIOR%s", priorExt)
	case o.data == "" && !arch.laplace:
		return usagef("train wants --data DIR")
	case o.channels != 1 && o.channels != 3:
		return usagef("--channels: %d; want 1 or 3", o.channels)
	case o.patch < 0 || o.batch < 0 || o.steps < 0 || o.every < 1:
		return usagef("--patch, --batch, --steps, --every: want at least 1")
	case !(o.lr >= 0 && o.lr <= 10):
		return usagef("--lr: %v; want a positive number up to 10", o.lr)
	case o.batch > mostBatch:
		return usagef("--batch: %d; want at most %d", o.batch, mostBatch)
	case o.plan != "" && (o.steps > 0 || o.lr > 0):
		return usagef("--plan says steps and rates: leave out --steps and --lr")
	case o.resume != "" && o.checkpoint != "" && o.resume != o.checkpoint:
		return usagef("--resume continues in its own file: leave out --checkpoint")
	case o.plot != "" && o.log == "":
		return usagef("--plot draws what --log records: name both")
	case o.resume != "" && o.start != "":
		return usagef("--resume and --start exclude each other")
	}
	if o.batch == 0 {
		o.batch = arch.batch
	}
	if err := mayWrite(o.out, o.force); err != nil {
		return err
	}
	if o.plot != "" {
		if _, err := plotFormat(o.plot); err != nil {
			return err
		}
		if err := mayWrite(o.plot, o.force); err != nil {
			return err
		}
	}
	return o.checkFiles()
}

// checkFiles settles the files that training reads and writes on the way.
func (o *trainOptions) checkFiles() error {
	seen := map[string]string{}
	for _, f := range []struct{ flag, path string }{{"-o", o.out}, {"--checkpoint", o.checkpoint}, {"--log", o.log}, {"--plot", o.plot},
		{"--start", o.start}, {"--config", o.config}, {"--plan", o.plan}, {"--data", o.data}, {"--valid", o.valid}} {
		if f.path == "" {
			continue
		}
		at := filepath.Clean(f.path)
		// Only reading may be shared.
		if other := seen[at]; other != "" && slices.Contains([]string{"-o", "--checkpoint", "--log", "--plot"}, other) {
			return usagef("%s and %s are both %s", other, f.flag, f.path)
		} else if other == "" {
			seen[at] = f.flag
		}
	}
	if o.resume != "" {
		if _, err := os.Stat(o.resume); err != nil {
			return usagef("--resume: %s: %v", o.resume, cause(err))
		}
		o.checkpoint = o.resume
		return nil
	}
	if o.log != "" {
		if err := mayWrite(o.log, o.force); err != nil {
			return err
		}
	}
	at := o.checkpoint
	if at == "" {
		at = o.ownCheckpoint()
	}
	if st, err := os.Stat(at); err == nil && st.IsDir() {
		return usagef("--checkpoint: %s is a folder, not a file", at)
	} else if err == nil && !o.force {
		return usagef("%s is the checkpoint of a training: --resume %s continues it, --force starts over", at, at)
	}
	return nil
}

// ownCheckpoint is the checkpoint when none is named.
func (o *trainOptions) ownCheckpoint() string { return o.out + ".checkpoint" }

// A trained is what JSON shows of a training.
type trained struct {
	Output     string `json:"output"`
	Steps      int    `json:"steps"`
	Seconds    number `json:"seconds"`
	PSNR       number `json:"psnr"`
	Parameters int    `json:"parameters"`
	Certified  bool   `json:"certified"`
}

func (o trainOptions) run(ctx context.Context, con *console) error {
	if err := o.check(); err != nil {
		return err
	}
	t, err := o.options(con)
	if err != nil {
		return err
	}
	if t.Checkpoint == "" {
		t.Checkpoint = o.ownCheckpoint()
	}
	if o.log != "" {
		f, err := o.openLog()
		if err != nil {
			return err
		}
		defer f.Close()
		t.Log = f
	}
	bar := con.progress("training", t.Plan.Steps())
	defer bar.end()
	t.Progress = func(p train.Progress) {
		detail := fmt.Sprintf("loss %.4g", p.Loss)
		if !math.IsNaN(p.PSNR) {
			detail += fmt.Sprintf(", %.2f dB", p.PSNR)
		}
		bar.at(p.Step, detail)
	}
	r, err := train.Run(ctx, t)
	bar.end()
	if errors.Is(err, train.ErrInterrupted) {
		return interruptedError{fmt.Sprintf("%s; the same command with --resume %s continues", strings.TrimPrefix(err.Error(), "train: "), t.Checkpoint)}
	}
	var disk *fs.PathError
	if errors.As(err, &disk) && strings.Contains(filepath.Base(disk.Path), filepath.Base(t.Checkpoint)) {
		return fmt.Errorf("%s: cannot be written: %w", t.Checkpoint, disk.Err)
	}
	if errors.Is(err, train.ErrDiverged) {
		return fmt.Errorf("%s%s", strings.TrimPrefix(err.Error(), "train: "), lastGood(t.Checkpoint))
	}
	if err != nil {
		return err
	}
	net := r.Network.WithMeta("plan", t.Plan.String()).WithMeta("preset", o.preset).WithMeta("seed", fmt.Sprint(o.seed)).WithMeta("steps", fmt.Sprint(r.Steps))
	if !math.IsNaN(r.PSNR) {
		net = net.WithMeta("psnr", fmt.Sprintf("%.4f", r.PSNR))
	}
	if o.half {
		net = net.Half()
	}
	if net, err = net.Damped(o.seed); err != nil {
		return err
	}
	if o.half {
		net = net.Half()
	}
	cert, err := net.Verify(probeShape(net.Config()), lpn.Probing{Seed: o.seed})
	if err != nil {
		return err
	}
	if net, err = net.WithCertificate(cert); err != nil {
		return err
	}
	if !cert.OK {
		con.complain("%s: the prior is not certified: %s", o.out, strings.Join(cert.Reasons, "; "))
	}
	if err := net.Save(o.out, o.half); err != nil {
		return fmt.Errorf("%s: %w", o.out, cause(err))
	}
	if t.Checkpoint == o.ownCheckpoint() {
		os.Remove(t.Checkpoint)
	}
	if o.plot != "" {
		curve, err := readLearning(o.log)
		if err != nil {
			return err
		}
		if err := drawTo(o.plot, plot.Learning(curve)...); err != nil {
			return err
		}
	}
	if con.json {
		return con.printJSON(trained{o.out, r.Steps, number(r.Seconds), number(r.PSNR), net.Config().NumParams(), cert.OK})
	}
	con.remark("%s: %d steps in %.0f s, validation %.2f dB", o.out, r.Steps, r.Seconds, r.PSNR)
	return nil
}

// lastGood says where the state of training before a failure is, "" where
// none was written yet.
func lastGood(checkpoint string) string {
	if _, err := os.Stat(checkpoint); err != nil {
		return ""
	}
	return fmt.Sprintf("; %s holds the last good state", checkpoint)
}

// readLearning reads back the log of a training, which may have been resumed.
func readLearning(path string) ([]plot.Validation, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, cause(err))
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) == 0 {
		return nil, fmt.Errorf("%s: not the log of a training: %v", path, err)
	}
	var vs []plot.Validation
	for _, row := range rows[1:] {
		at := func(name string) float64 {
			i := slices.Index(rows[0], name)
			if i < 0 {
				return math.NaN()
			}
			v, err := strconv.ParseFloat(row[i], 64)
			if err != nil {
				return math.NaN()
			}
			return v
		}
		v := plot.Validation{Step: at("step"), Loss: at("loss"), Growth: at("growth"), PSNR: at("psnr")}
		if v.Growth == 0 { // no penalty, nothing measured
			v.Growth = math.NaN()
		}
		vs = append(vs, v)
	}
	return vs, nil
}

func (o *trainOptions) openLog() (*os.File, error) {
	mode := os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	if o.resume != "" {
		mode = os.O_CREATE | os.O_WRONLY | os.O_APPEND
	}
	f, err := os.OpenFile(o.log, mode, 0o666)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.log, cause(err))
	}
	if s, err := f.Stat(); err == nil && s.Size() == 0 && o.resume != "" {
		fmt.Fprintln(f, train.LogHeader)
	}
	return f, nil
}

// options turns the flags into those of the library.
func (o *trainOptions) options(con *console) (train.Options, error) {
	arch, err := o.recipe()
	if err != nil {
		return train.Options{}, err
	}
	t := train.Options{Batch: o.batch, Seed: o.seed, Every: o.every, Checkpoint: o.checkpoint, Resume: o.resume != "", Threads: o.threads}
	if t.Config, err = o.network(arch); err != nil {
		return t, err
	}
	switch {
	case arch.tune != nil && (o.config == "" || t.Config.Pyramid != nil):
		arch.tune(&t)
	case t.Config.Pyramid != nil:
		pyramidRecipe(&t)
	}
	if t.Plan, err = o.stages(arch); err != nil {
		return t, err
	}
	if o.start != "" {
		if t.Start, err = openPrior(o.start); err != nil {
			return t, err
		}
		if !sameNetwork(t.Start.Config(), t.Config) {
			return t, usagef("--start: %s is another network than the one to train", o.start)
		}
	}
	if o.data == "" {
		t.Source = train.Laplace{Seed: o.seed}
		return t, nil
	}
	return t, o.pictures(con, arch, &t)
}

// network is the configuration to train.
func (o *trainOptions) network(arch architecture) (lpn.Config, error) {
	if o.config == "" {
		c := arch.config(o.channels, o.sigma)
		if c.Channels != o.channels {
			return c, usagef("--arch %s is for %d channels", o.arch, c.Channels)
		}
		return c, nil
	}
	text, err := os.ReadFile(o.config)
	if err != nil {
		return lpn.Config{}, missing(fmt.Errorf("--config: %s: %w", o.config, cause(err)))
	}
	c, err := parseConfig(text)
	if err != nil {
		return c, usagef("--config: %s: %w", o.config, err)
	}
	return c, nil
}

// parseConfig reads a network's configuration, bare or within what info --json
// prints.
func parseConfig(text []byte) (lpn.Config, error) {
	var c lpn.Config
	var outer struct {
		Config json.RawMessage `json:"config"`
	}
	if err := json.Unmarshal(text, &outer); err == nil && outer.Config != nil {
		text = outer.Config
	}
	if err := decodeStrictly(text, &c); err != nil {
		return c, err
	}
	if err := c.Validate(); err != nil {
		return c, strip(err, "lpn: ")
	}
	return c, nil
}

// sameNetwork compares what decides the weights' shapes.
func sameNetwork(a, b lpn.Config) bool {
	pa, pb := a.Definition().Params, b.Definition().Params
	return slices.EqualFunc(pa, pb, func(x, y network.Param) bool { return x.Name == y.Name && slices.Equal(x.Dims, y.Dims) })
}

func (o *trainOptions) stages(arch architecture) (train.Plan, error) {
	if o.plan != "" {
		p, err := train.LoadPlan(o.plan)
		if err != nil {
			return nil, usagef("--plan: %w", strip(err, "train: "))
		}
		return p, nil
	}
	steps, lr := o.steps, o.lr
	if steps == 0 {
		steps = arch.steps
	}
	if lr == 0 {
		lr = arch.lr
	}
	p := arch.plan(steps, lr)
	p = slices.DeleteFunc(p, func(s train.Stage) bool { return s.Steps == 0 })
	return p, p.Validate()
}

// pictures opens the data and what is held back for validation.
func (o *trainOptions) pictures(con *console, arch architecture, t *train.Options) error {
	patch := o.patch
	switch {
	case t.Config.Height != t.Config.Width:
		return usagef("the network is for %dx%d pixels: training wants square patches", t.Config.Width, t.Config.Height)
	case t.Config.Height > 0 && patch != 0 && patch != t.Config.Height:
		return usagef("--patch: %d; the network is for %dx%d pixels", patch, t.Config.Width, t.Config.Height)
	case t.Config.Height > 0:
		patch = t.Config.Height
	case patch == 0:
		patch = max(arch.patch, 16)
	}
	if err := t.Config.Fits(patch, patch); err != nil {
		return usagef("--patch: %w", strip(err, "lpn: "))
	}
	open := func(path string) (*train.Images, error) {
		m, err := train.OpenImages([]string{path}, train.DataOptions{Channels: t.Config.Channels, Patch: patch})
		if errors.Is(err, fs.ErrNotExist) {
			return nil, usagef("%s: no such file or folder", path)
		}
		if err != nil {
			return nil, strip(err, "train: ")
		}
		for _, s := range m.Skipped() {
			con.remark("%s is left out: %s", s.Path, s.Reason)
		}
		return m, nil
	}
	data, err := open(o.data)
	if err != nil {
		return err
	}
	var held *train.Images
	if o.valid != "" {
		if held, err = open(o.valid); err != nil {
			return err
		}
	} else {
		data, held = data.Split(20)
	}
	t.Source = &train.Sampler{Images: data, Patch: patch, Seed: o.seed, Symmetries: !arch.upright}
	for i := range min(held.Len(), 64) {
		x, err := held.Image(i)
		if err != nil {
			return err
		}
		if h := t.Config.Height; h > 0 {
			x = restore.Centre(x, h, h)
		}
		t.Valid = append(t.Valid, x)
	}
	con.remark("%d pictures to train on, %d to validate on, patches of %d pixels", data.Len(), len(t.Valid), patch)
	return nil
}
