//go:build !small

package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/lpn-imaging/lpn/internal/plot"
	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/lpn/train"
	"github.com/lpn-imaging/lpn/operators/noise"
	"github.com/urfave/cli/v2"
)

// recipe is the preset, or what suits the network that --arch, --config or --start names,
// for pictures of the given channels and noise.
func (o *trainOptions) recipe(channels int, model noise.Model) (p train.Preset, err error) {
	if o.record != nil {
		return o.record.Recipe, nil
	}
	sigma := o.sigma
	if sigma == 0 && model != nil {
		sigma = train.LevelOf(model, channels)
		if o.recorrupt {
			sigma *= math.Sqrt2
		}
	}
	switch sigma = cmp.Or(sigma, 25./255); {
	case o.preset != "":
		if p, err = train.PresetNamed(o.preset, channels); err != nil {
			return p, usagef("--preset: unknown recipe %q%s; want %s", o.preset, suggest(o.preset, train.PresetNames()), strings.Join(train.PresetNames(), ", "))
		}
	case o.config != "":
		c, err := readConfig(o.config)
		if err != nil {
			return p, err
		}
		p = arch("pyramid", channels, c.Sigma).For(c)
	case o.arch == "":
		net, err := openPrior(o.start)
		if err != nil {
			return p, err
		}
		c := net.Config()
		if o.sigma > 0 || model != nil {
			c.Sigma = sigma
		}
		p = arch("pyramid", channels, sigma).For(c)
		p.Plan = p.Plan.Stretched(tuneSteps, tuneRate)
	default:
		if p, err = train.ArchNamed(o.arch, channels, sigma); err != nil {
			return p, usagef("--arch: unknown network %q%s; want %s", o.arch, suggest(o.arch, train.ArchNames()), strings.Join(train.ArchNames(), ", "))
		}
	}
	p.From = cmp.Or(o.start, p.From)
	p.Batch = cmp.Or(o.batch, p.Batch)
	switch {
	case o.plan != "":
		if p.Plan, err = train.LoadPlan(o.plan); err != nil {
			return p, usagef("--plan: %w", strip(err, "train: "))
		}
	case o.steps > 0 || o.lr > 0:
		p.Plan = p.Plan.Stretched(cmp.Or(o.steps, p.Plan.Steps()), cmp.Or(o.lr, p.Plan[0].Rate))
	}
	return p, nil
}

// tuneSteps and tuneRate are the plan of a training that begins with a prior, if nothing
// else is given: minutes.
const (
	tuneSteps = 1500
	tuneRate  = 1.5e-3
)

// arch is a recipe that exists.
func arch(name string, channels int, sigma float64) train.Preset {
	p, err := train.ArchNamed(name, channels, sigma)
	if err != nil {
		panic(err)
	}
	return p
}

type trainOptions struct {
	data, valid, pairs string
	split              string
	scale              restore.Range // black and white of the data; zero: found out
	noisy              string        // the noise of the data, "" for none
	recorrupt          bool

	arch       string
	preset     string
	config     string
	sigma      float64 // 0: by the noise of the data, else 25/255
	channels   int     // 0: by the data
	patch      int
	batch      int
	steps      int
	lr         float64
	plan       string
	start      string
	checkpoint string
	every      int
	patience   int
	resume     string
	log        string
	pictures   bool // beside the log
	plot       string
	style      plot.Style
	seed       uint64
	threads    int
	out        string
	half       bool
	damp       bool
	force      bool
	licence    string
	note       string
	command    string

	record *train.Record // to train again
}

func trainCommand() *cli.Command {
	return &cli.Command{
		Name:  "train",
		Usage: "train a prior on a folder of images",
		Description: "Learns a prior from a folder of pictures. It reads all formats that lpn restore reads, and\n" +
			"all pages of a file. It finds the range of the numbers and stores it in the prior. --check\n" +
			"reports what the pictures are like, and trains nothing.\n\n" +
			"A plan is a list of stages, each loss:steps@rate, such as\n" +
			"'l2:20k@6e-3,warmup=0.05,cosine;pm:5k@1e-4,gamma=0.08', or a JSON file of them.\n" +
			"Ctrl-C writes the checkpoint. --resume continues from it and ends with the same weights as a\n" +
			"training without a break. docs/train.md has the details.\n\n" +
			"Examples:\n" +
			"lpn train --check photos/ -o sheet.png\n" +
			"lpn train --data photos/ --sigma 25/255 -o prior" + priorExt + "\n" +
			"lpn train --data noisy/ --noisy auto -o prior" + priorExt + "\n" +
			"lpn train --start gray-25 --steps 1500 --data mine/ -o prior" + priorExt,
		Flags: common(append(figureFlags(),
			&cli.StringFlag{Name: "data", Usage: "train on the images in `DIR`, on one image or on an idx file; --arch laplace needs none"},
			&cli.StringFlag{Name: "valid", Usage: "validate on the clean images in `DIR`", DefaultText: "every 20th of the data"},
			&cli.StringFlag{Name: "split", Value: "picture", Usage: "hold back every 20th `UNIT` for validation: picture, file (with all its pages) or folder; or list:FILE, the names in a text file, one on each line"},
			&cli.StringFlag{Name: "check", Usage: "only report what the images in `DIR` are like; with -o FILE.png or .svg also draw a contact sheet"},
			&cli.StringFlag{Name: "range", Usage: "the numbers in the files that are black and white, `LO:HI`", DefaultText: "estimated"},
			&cli.StringFlag{Name: "noisy", Usage: "learn from noisy images; their `NOISE` is a model as for restore --noise, or auto"},
			&cli.BoolFlag{Name: "recorrupt", Usage: "with --noisy: train on pairs made from each image instead of with Stein's estimate; half the work, less exact"},
			&cli.StringFlag{Name: "pairs", Usage: "train on pairs: `DIR` has a second exposure of each scene, with independent noise"},
			&cli.StringFlag{Name: "arch", Value: "pyramid", Usage: "`NAME` of the network: " + strings.Join(train.ArchNames(), ", ")},
			&cli.StringFlag{Name: "preset", Usage: "use the whole recipe `NAME`, network and plan, of a built-in prior, or quick; --plan, --steps and --lr overrule it"},
			&cli.StringFlag{Name: "config", Usage: "use the network that `FILE`.json describes, in the form of info --json, instead of --arch"},
			&cli.StringFlag{Name: "sigma", Usage: "noise level `S` to train for, as 0.1 or 25/255", DefaultText: "25/255, or that of the data"},
			&cli.IntFlag{Name: "channels", Usage: "train on images with `N` channels: 1 (gray) or 3 (colour)", DefaultText: "by the data"},
			&cli.IntFlag{Name: "patch", Usage: "side `N` of the training patches", DefaultText: "by the network"},
			&cli.IntFlag{Name: "batch", Usage: "`N` patches a step", DefaultText: "by the network"},
			&cli.IntFlag{Name: "steps", Usage: "`N` steps", DefaultText: "by the network"},
			&cli.Float64Flag{Name: "lr", Usage: "learning rate `E`", DefaultText: "by the network"},
			&cli.StringFlag{Name: "plan", Usage: "stages, or `FILE`.json, instead of --steps and --lr"},
			&cli.StringFlag{Name: "find-lr", Usage: "only try learning rates, and draw the loss over them to `FILE`.png or .svg"},
			&cli.StringFlag{Name: "start", Usage: "begin with the weights of `PRIOR`; without --arch, --config or --preset also use its network"},
			&cli.StringFlag{Name: "from-record", Usage: "repeat the training that the file `PRIOR` records; needs --data if the pictures have moved"},
			&cli.StringFlag{Name: "checkpoint", Usage: "keep the state of training in `FILE`", DefaultText: "the output with .checkpoint added, removed at the end"},
			&cli.IntFlag{Name: "every", Value: 1000, Usage: "validate, log and write the checkpoint every `N` steps"},
			&cli.IntFlag{Name: "patience", Usage: "stop after `N` validations without improvement, and keep the best weights", DefaultText: "never"},
			&cli.StringFlag{Name: "resume", Usage: "continue from the checkpoint `FILE`; give the same flags as at the start"},
			&cli.StringFlag{Name: "log", Usage: "write a row at each validation to `FILE`.csv"},
			&cli.BoolFlag{Name: "pictures", Usage: "with --log FILE.csv, at each validation also write held-back pictures, with noise, denoised and clean, to the folder FILE-pictures: lpn explore shows them"},
			&cli.StringFlag{Name: "plot", Usage: "draw the learning curve, from --log, to `FILE`.png, .svg or .pdf"},
			&cli.StringFlag{Name: "licence", Usage: "store `WORDS` in the prior: what others may do with it"},
			&cli.StringFlag{Name: "note", Usage: "store `WORDS` in the prior: what it is for, who made it"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the prior to `FILE`" + priorExt},
			&cli.BoolFlag{Name: "half", Usage: "store the weights in half precision"},
			&cli.BoolFlag{Name: "damp", Usage: "scale the gates until no wave is amplified; this may cost PSNR, and the cost is printed"},
			&cli.BoolFlag{Name: "force", Usage: "overwrite outputs that exist"})...),
		Action: action(func(c *cli.Context, con *console) error {
			if err := wantArgs(c, 0, "flags only"); err != nil {
				return err
			}
			o, err := trainFrom(c)
			if err != nil {
				return err
			}
			switch {
			case c.IsSet("check"):
				return o.reportData(con, c.String("check"))
			case c.IsSet("find-lr"):
				return o.findRate(c.Context, con, c.String("find-lr"))
			}
			return o.run(c.Context, con)
		}),
	}
}

// trainFrom reads the flags.
func trainFrom(c *cli.Context) (trainOptions, error) {
	o := trainOptions{
		data: c.String("data"), valid: c.String("valid"), pairs: c.String("pairs"), split: c.String("split"),
		noisy: c.String("noisy"), recorrupt: c.Bool("recorrupt"),
		preset: c.String("preset"), arch: c.String("arch"), config: c.String("config"),
		channels: c.Int("channels"), patch: c.Int("patch"), batch: c.Int("batch"),
		steps: c.Int("steps"), lr: c.Float64("lr"), plan: c.String("plan"), start: c.String("start"),
		checkpoint: c.String("checkpoint"), every: c.Int("every"), patience: c.Int("patience"), resume: c.String("resume"), log: c.String("log"), pictures: c.Bool("pictures"), plot: c.String("plot"),
		seed: c.Uint64("seed"), threads: c.Int("threads"), out: c.String("output"), half: c.Bool("half"), damp: c.Bool("damp"), force: c.Bool("force"),
		licence: c.String("licence"), note: c.String("note"), command: commandLine(c),
	}
	if c.IsSet("sigma") {
		var ok bool
		if o.sigma, ok = parseLevel(c.String("sigma")); !ok || !(o.sigma > 0) {
			return o, usagef("--sigma: %q is not a number in (0,1] or a fraction like 25/255", c.String("sigma"))
		}
	}
	var err error
	if o.style, err = styleFrom(c); err != nil {
		return o, err
	}
	if o.scale, err = rangeFrom(c); err != nil {
		return o, err
	}
	if c.IsSet("channels") && o.channels != 1 && o.channels != 3 {
		return o, usagef("--channels: %d; want 1 or 3", o.channels)
	}
	if path := c.String("from-record"); path != "" {
		for _, f := range c.FlagNames() {
			if !slices.Contains(recordFlags, f) && c.IsSet(f) {
				return o, usagef("--from-record says all but where files are: leave out --%s", f)
			}
		}
		return o, o.repeat(path)
	}
	if c.IsSet("arch") && c.IsSet("config") {
		return o, usagef("--arch and --config exclude each other")
	}
	for _, other := range []string{"arch", "config", "sigma"} {
		if c.IsSet("preset") && c.IsSet(other) {
			return o, usagef("--preset and --%s exclude each other", other)
		}
	}
	if !c.IsSet("arch") && o.start != "" {
		o.arch = ""
	}
	return o, nil
}

// mostBatch bounds the memory that one step takes.
const mostBatch = 4096

// check refuses flags that make no sense, before any work.
func (o *trainOptions) check() error {
	p, err := o.recipe(max(1, o.channels), nil)
	if err != nil {
		return err
	}
	switch {
	case o.out == "":
		return usagef("train wants -o PRIOR%s", priorExt)
	case o.data == "" && !p.Laplace:
		return usagef("train wants --data DIR")
	case o.patch < 0 || o.batch < 0 || o.steps < 0 || o.patience < 0 || o.every < 1:
		return usagef("--patch, --batch, --steps, --patience, --every: want at least 1")
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
	case o.pictures && filepath.Ext(o.log) != ".csv":
		return usagef("--pictures go beside the log: want --log FILE.csv")
	case o.resume != "" && o.start != "":
		return usagef("--resume and --start exclude each other")
	case o.recorrupt && o.noisy == "":
		return usagef("--recorrupt goes with --noisy")
	case o.recorrupt && o.pairs != "":
		return usagef("--recorrupt and --pairs exclude each other")
	}
	if err := mayWrite(o.out, o.force); err != nil {
		return err
	}
	if o.plot != "" {
		if err := mayDraw(o.plot, o.force); err != nil {
			return err
		}
	}
	return o.checkFiles()
}

// checkFiles settles the files that training reads and writes on the way.
func (o *trainOptions) checkFiles() error {
	seen := map[string]string{}
	for _, f := range []struct{ flag, path string }{{"-o", o.out}, {"--checkpoint", o.checkpoint}, {"--log", o.log}, {"--plot", o.plot},
		{"--start", o.start}, {"--config", o.config}, {"--plan", o.plan}, {"--data", o.data}, {"--valid", o.valid}, {"--pairs", o.pairs}} {
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

// damped is the network with its gates scaled, whose PSNR r then has.
func (o *trainOptions) damped(con *console, t train.Options, net *lpn.Network, r *train.Result) (*lpn.Network, error) {
	net, err := net.Damped(o.seed)
	if err != nil {
		return nil, err
	}
	if o.half {
		net = net.Half()
	}
	before := r.PSNR
	if r.PSNR, err = t.Measure(net); err != nil {
		return nil, err
	}
	if !math.IsNaN(before) {
		con.remark("%s: damped, validation %.2f dB -> %.2f dB", o.out, before, r.PSNR)
	}
	return net, nil
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
	t, record, err := o.options(con)
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
	if o.pictures {
		if t.Validated, err = o.showPictures(t); err != nil {
			return err
		}
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
	net := r.Network
	if o.half {
		net = net.Half()
	}
	if o.damp {
		if net, err = o.damped(con, t, net, r); err != nil {
			return err
		}
	}
	if net, err = record.Finished(r).Attach(net); err != nil {
		return err
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
		if err := drawTo(o.plot, o.style, plot.Learning(curve)...); err != nil {
			return err
		}
	}
	if untouched := -20 * math.Log10(net.Config().Sigma); r.PSNR < untouched && !record.Recipe.Laplace {
		con.complain("%s: worse than doing nothing, which has %.2f dB: train longer, at another --lr (--find-lr), or look at the pictures (--check)", o.out, untouched)
	}
	if con.json {
		return con.printJSON(trained{
			Output: o.out, Steps: r.Steps, Seconds: number(r.Seconds), PSNR: number(r.PSNR),
			Parameters: net.Config().NumParams(), Certified: cert.OK,
		})
	}
	estimated := ""
	if t.ValidNoise != nil {
		estimated = ", estimated from noisy pictures"
	}
	con.remark("%s: %d steps in %.0f s, validation %.2f dB%s", o.out, r.Steps, r.Seconds, r.PSNR, estimated)
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
		v := plot.Validation{Step: at("step"), Loss: at("loss"), Gain: at("growth"), PSNR: at("psnr")}
		if v.Gain == 0 { // no penalty, nothing measured
			v.Gain = math.NaN()
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

// options turns the flags into those of the library, and into the record of what was
// asked for.
func (o *trainOptions) options(con *console) (t train.Options, r train.Record, err error) {
	p, err := o.recipe(max(1, o.channels), nil)
	if err != nil {
		return t, r, err
	}
	set := dataSet{}
	if o.data != "" {
		if set, err = o.open(con, p); err != nil {
			return t, r, err
		}
		if p, err = o.recipe(set.training.Channels(), set.noise); err != nil {
			return t, r, err
		}
	}
	if p.Config.Channels != max(1, set.channels()) {
		return t, r, usagef("the network is for %d channels, not for %d", p.Config.Channels, set.channels())
	}
	p.Patch = set.patch
	t = p.Options()
	t.Seed, t.Every, t.Patience, t.Checkpoint, t.Resume, t.Threads = o.seed, o.every, o.patience, o.checkpoint, o.resume != "", o.threads
	if err := t.Plan.Validate(); err != nil {
		return t, r, strip(err, "train: ")
	}
	if p.From != "" && !t.Resume {
		if t.Start, err = openPrior(p.From); err != nil {
			return t, r, err
		}
		if !sameNetwork(t.Start.Config(), t.Config) {
			return t, r, usagef("--start: %s is another network than the one to train", p.From)
		}
	}
	if o.data == "" {
		t.Source = train.Laplace{Seed: o.seed}
	} else if err := o.feed(con, set, p, &t); err != nil {
		return t, r, err
	}
	r = train.Record{Command: o.command, Preset: o.preset, Recipe: p, Seed: o.seed, Every: o.every, Patience: o.patience,
		Half: o.half, Damp: o.damp, Data: set.data, Licence: o.licence, Note: o.note}
	if o.record != nil {
		if was := o.record.Data.Hash; was != set.data.Hash {
			con.complain("the pictures are not those of the record, SHA-256 %s: the weights will be others", was)
		}
		r.Command, r.Preset, r.Licence, r.Note = o.record.Command, o.record.Preset, o.record.Licence, o.record.Note
	}
	return t, r, nil
}
