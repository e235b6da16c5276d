package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
	"github.com/urfave/cli/v2"
)

type degradeOptions struct {
	inputs []string
	spec   operators.Spec
	light  restore.Light
	noise  noise.Model
	seed   uint64
	out    outputOptions
	batch  batchOptions
}

func degradeCommand() *cli.Command {
	return &cli.Command{
		Name:      "degrade",
		Usage:     "simulate a measurement: apply an operator and add noise",
		ArgsUsage: "INPUT...",
		Description: "Image files are clipped to [0,1]; .npy keeps every value. A measurement that is not an image\n" +
			"(cs, tomo, mri, jpeg) is written to .npz, which lpn restore reads without --operator.\n\n" +
			operatorsHelp + "\n\n" +
			"Example: lpn degrade --operator blur:gaussian,sigma=1.6 --noise 0.01 photo.png -o blurred.png",
		Flags: common(append(append(operatorFlags(),
			&cli.StringFlag{Name: "noise", Value: "0", Usage: "the noise `S`: a standard deviation as 0.1 or 25/255, or a model as for restore: poisson:gain=G[,read=R], camera:a=A,b=B, map:FILE.npy, FILE.json"},
			simulatedLightFlag()),
			append(batchFlags(), outputFlags("_degraded")...)...)...),
		Action: action(func(c *cli.Context, con *console) error {
			spec, err := operatorFrom(c, con)
			if err != nil {
				return err
			}
			model, err := parseNoise(c.String("noise"))
			if err == nil {
				err = simulable(model, spec, "auto is for restore; degrade adds the noise:")
			}
			if err != nil {
				return err
			}
			light, err := simulatedLight(c)
			if err != nil {
				return err
			}
			o := degradeOptions{
				inputs: c.Args().Slice(),
				spec:   spec,
				light:  light,
				noise:  model,
				seed:   c.Uint64("seed"),
				out:    outputFrom(c),
			}
			if o.batch, err = batchFrom(c, con, spec.File()); err != nil {
				return err
			}
			return o.run(c.Context, con)
		}),
	}
}

// A degraded is what JSON shows of a simulated measurement.
type degraded struct {
	Input      string `json:"input"`
	Output     string `json:"output"`
	Operator   string `json:"operator"`
	Noise      number `json:"noise"` // its standard deviation where it is white
	NoiseModel string `json:"noise_model"`
	Seed       uint64 `json:"seed"`
}

func (o degradeOptions) run(ctx context.Context, con *console) error {
	if err := o.out.check(con); err != nil {
		return err
	}
	inputs, batch, err := o.batch.inputs(con, o.inputs, o.out.recurse, imageio.Extensions, o.out.to)
	if err != nil {
		return err
	}
	ext := pictureExt
	if !o.spec.ImageShaped() {
		ext = func(input) string { return measurementExt }
	}
	jobs, err := o.out.plan(inputs, batch, o.batch.shard, "_degraded", ext, o.fits)
	if err != nil {
		return err
	}
	if o.spec, err = o.spec.Load(fileOpener(o.spec)); err != nil {
		return err
	}
	return con.each(ctx, jobs, runOfJobs{"degrading", batch, o.out.skip, o.batch}, func(ctx context.Context, j job) (any, string, error) {
		p, err := readPicture(con, j.path)
		if err != nil {
			return nil, "", err
		}
		if err := o.degrade(con, p, j); err != nil {
			return nil, "", err
		}
		return degraded{Input: j.path, Output: j.to, Operator: o.spec.String(), Noise: number(whiteLevel(o.noise)), NoiseModel: o.noise.String(), Seed: o.seed},
			fmt.Sprintf("%s -> %s: %s, noise %s", j.path, j.to, o.spec, noiseText(o.noise)), nil
	})
}

// fits refuses files that cannot hold the measurement.
func (o degradeOptions) fits(to string) error {
	switch {
	case isMeasurement(to) && o.light != restore.LightNumbers:
		return usagef("%s: a measurement file does not say what light its operator acts on: write a picture or a .npy file", to)
	case isMeasurement(to):
		return nil
	case !o.spec.ImageShaped():
		return usagef("%s: a measurement of %s is no picture: write it to a %s file", to, o.spec.Name(), measurementExt)
	}
	return o.out.fitsPicture(to)
}

func (o degradeOptions) degrade(con *console, p *imageio.Picture, j job) error {
	e, err := restore.SimulateLight(p.Image, o.spec, o.light, o.noise, noiseRNG(o.seed))
	if err != nil {
		return fmt.Errorf("%s: %w", j.path, asUsage(err))
	}
	y := &imageio.Picture{Image: e.Problem.Y}
	if o.spec.ImageShaped() {
		y = p.With(y.Image, !o.spec.Resamples())
	}
	if isMeasurement(j.to) {
		m := operators.Measurement{Y: y.Image, Spec: o.spec, Scene: p.Shape, Noise: whiteLevel(o.noise)}
		if lo, hi := p.Extent(); lo >= 0 && hi <= 1 && (p.Bits < 32 || hi > 0.2) {
			m.White = 1 // as pictures have it
		}
		return writeFile(j.to, func(w io.Writer) error { return operators.WriteMeasurement(w, m) })
	}
	o.remarkClipped(con, j, y)
	return o.out.writePicture(con, j.to, y)
}

// remarkClipped says what an image file cannot hold.
func (o degradeOptions) remarkClipped(con *console, j job, y *imageio.Picture) {
	format := o.out.format
	if format == "" {
		format, _ = imageio.FormatOf(j.to)
	}
	if format == "npy" {
		return
	}
	n := 0
	for _, v := range y.Pix {
		if v < 0 || v > 1 {
			n++
		}
	}
	if n > 0 {
		con.remark("%s: %.2g%% of the samples leave [0,1] and are clipped; .npy keeps them", j.to, 100*float64(n)/float64(len(y.Pix)))
	}
}

// noiseRNG draws the noise of a seed, apart from what else is drawn from it.
func noiseRNG(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x6e6f697365)) }
