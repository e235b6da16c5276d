package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/lpn-imaging/lpn/internal/flags"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/urfave/cli/v2"
)

type measureOptions struct {
	input, to, array string
	spec             operators.Spec
	given            bool   // --operator was
	json             string // --spec
	scene            operators.Shape
	noise            float64 // NaN: not given
	weights          string
	counts           bool
	flat, dark       string
	black, white     float64
	units            string
	water            float64
	scan             string    // --noise-scan
	missing          string    // nan, or ""
	known            []float32 // with --missing: 0 for each number that is missing
	force            bool
}

func measureCommand() *cli.Command {
	return &cli.Command{
		Name:      "measure",
		Usage:     "make a measurement file from the numbers of another machine",
		ArgsUsage: "NUMBERS",
		Description: "NUMBERS is a .npy or .npz file, a float TIFF or another picture, or a table in a text file.\n" +
			"It holds a sinogram of angles x detectors, complex k-space of height x width or coils x height\n" +
			"x width, or a picture. The result is one file with everything that lpn restore needs; it takes\n" +
			"the file without --operator. What the numbers tell is taken from them and printed: detectors,\n" +
			"scene, centre=auto, mask=detect, coils=estimate and the noise. A layout that does not fit the\n" +
			"operator is an error.\n\n" +
			"--counts converts photon counts to line integrals with --flat and --dark, and weights each ray\n" +
			"by its photons. --weights are 1/variance of each sample, 0 where nothing was measured. A result\n" +
			"has the unit of the numbers divided by that of lengths: 1/mm for pixel=0.5 in mm. --units HU\n" +
			"converts it to Hounsfield units, with the attenuation of --water.\n\n" +
			operatorsHelp + "\n\n" +
			"docs/measure.md has an example for each kind of instrument.\n\n" +
			"Examples:\n" +
			"lpn measure --operator tomo:angles=angles.txt,centre=auto sinogram.npy -o scan.npz\n" +
			"lpn measure --operator mri:mask=detect,coils=estimate kspace.npy -o scan.npz\n" +
			"lpn measure --operator tomo:angles=720,geometry=fan-flat,source=500,detector=300,pixel=0.4 --counts --flat flat.npy counts.npy -o scan.npz",
		Flags: common(append(operatorFlags(),
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write to `FILE`.npz", DefaultText: "the input's name with .npz"},
			&cli.StringFlag{Name: "noise", Value: "auto", Usage: "standard deviation `S` of the noise in the units of the numbers, of a sample of weight 1"},
			&cli.StringFlag{Name: "weights", Usage: "1/variance of each sample or detector, in `FILE`; 0: not measured"},
			&cli.StringFlag{Name: "missing", Usage: "what marks numbers of a .npy that were not measured: `nan`"},
			&cli.StringFlag{Name: "scene", Usage: "the size of the scene in pixels, `HxW`", DefaultText: "what the detectors cover; the size of k-space"},
			&cli.BoolFlag{Name: "counts", Usage: "the numbers are photon counts: take the logarithm and weight by the counts"},
			&cli.StringFlag{Name: "flat", Usage: "counts of the detectors without an object: a number or `FILE`"},
			&cli.StringFlag{Name: "dark", Usage: "counts of the detectors without a beam: a number or `FILE`", DefaultText: "0"},
			&cli.StringFlag{Name: "units", Usage: "the `UNIT` of the result, for the record; HU converts to Hounsfield units"},
			&cli.Float64Flag{Name: "water", Usage: "the attenuation `MU` of water, in the unit of the scene, for --units HU"},
			&cli.StringFlag{Name: "range", Usage: "the numbers of the scene that are black and white, `LO:HI`", DefaultText: "estimated"},
			&cli.StringFlag{Name: "noise-scan", Usage: "k-space without a signal, coils first, in `FILE`; makes the noise of the coils independent"},
			&cli.StringFlag{Name: "array", Usage: "`NAME` of the array in a .npz", DefaultText: "the only one, or y, kspace, sinogram, data"},
			&cli.StringFlag{Name: "spec", Usage: "read operator, scene and so on from `FILE`.json, in the form of measurement files: {\"spec\", \"scene\", \"boundary\", \"noise\", \"range\", \"units\"}; flags overrule it"},
			&cli.BoolFlag{Name: "force", Usage: "overwrite the output if it exists"},
		)...),
		Action: action(func(c *cli.Context, con *console) error {
			if err := wantArgs(c, 1, "one file of numbers"); err != nil {
				return err
			}
			spec, err := parseOperator(c.String("operator"), c.String("boundary"))
			if err != nil {
				return err
			}
			o := measureOptions{
				input: c.Args().First(), to: c.String("output"), array: c.String("array"),
				spec: spec, given: c.IsSet("operator"), json: c.String("spec"), noise: math.NaN(),
				weights: c.String("weights"), counts: c.Bool("counts"), flat: c.String("flat"), dark: c.String("dark"),
				units: c.String("units"), water: c.Float64("water"), scan: c.String("noise-scan"), missing: c.String("missing"), force: c.Bool("force"),
			}
			if o.to == "" {
				o.to = strings.TrimSuffix(o.input, filepath.Ext(o.input)) + measurementExt
			}
			if text := c.String("noise"); text != "auto" {
				if o.noise, err = strconv.ParseFloat(text, 64); err != nil || !(o.noise >= 0) || math.IsInf(o.noise, 1) {
					return usagef("--noise: %q is not a standard deviation in the units of the numbers, or auto", text)
				}
			}
			scale, err := rangeFrom(c)
			if err != nil {
				return err
			}
			o.black, o.white = scale.Lo, scale.Hi
			if o.scene, err = parseScene(c.String("scene")); err != nil {
				return err
			}
			return o.run(con)
		}),
	}
}

// parseScene reads --scene, HxW; "" is the zero Shape.
func parseScene(s string) (operators.Shape, error) {
	if s == "" {
		return operators.Shape{}, nil
	}
	a, b, ok := strings.Cut(s, "x")
	h, errH := strconv.Atoi(a)
	w, errW := strconv.Atoi(b)
	if !ok || errH != nil || errW != nil || h < 1 || w < 1 || h > 1<<15 || w > 1<<15 {
		return operators.Shape{}, usagef("--scene: %q; want height x width in pixels, as 512x512", s)
	}
	return operators.Shape{C: 1, H: h, W: w}, nil
}

// A measuredFile is what JSON shows of a measurement file.
type measuredFile struct {
	Input    string   `json:"input"`
	Output   string   `json:"output"`
	Operator string   `json:"operator"`
	Scene    [3]int   `json:"scene"`
	Samples  int      `json:"samples"`
	Noise    *number  `json:"noise"`
	Weighted bool     `json:"weighted"`
	Units    string   `json:"units"`
	Notes    []string `json:"notes"`
}

func (o measureOptions) run(con *console) error {
	if err := o.check(); err != nil {
		return err
	}
	m, err := o.described()
	if err != nil {
		return err
	}
	if m.Spec, err = m.Spec.Load(fileOpener(m.Spec)); err != nil {
		return err
	}
	if m.Y, o.known, err = o.numbers(con, m.Spec); err != nil {
		return err
	}
	notes, err := o.fill(&m)
	if err != nil {
		return fmt.Errorf("%s: %w", o.input, err)
	}
	if err := writeFile(o.to, func(w io.Writer) error { return operators.WriteMeasurement(w, m) }); err != nil {
		return err
	}
	r := measuredFile{Input: o.input, Output: o.to, Operator: m.Spec.String(), Scene: [3]int{m.Scene.C, m.Scene.H, m.Scene.W},
		Samples: len(m.Y.Pix), Weighted: m.Weights != nil, Units: m.Units, Notes: notes}
	if !math.IsNaN(m.Noise) {
		r.Noise = (*number)(&m.Noise)
	}
	if con.json {
		return con.printJSON(r)
	}
	lines := []string{
		fmt.Sprintf("%s -> %s: %s", o.input, o.to, m.Spec),
		fmt.Sprintf("  %d numbers of a scene of %dx%d pixels", r.Samples, m.Scene.H, m.Scene.W),
	}
	for _, n := range notes {
		lines = append(lines, "  "+n)
	}
	_, err = fmt.Fprintln(con.out, strings.Join(lines, "\n"))
	return err
}

// check refuses flags that do not go together.
func (o measureOptions) check() error {
	switch {
	case !o.given && o.json == "":
		return usagef("measure wants --operator SPEC or --spec FILE.json: what was measured?")
	case o.counts && o.flat == "":
		return usagef("--counts wants --flat, what the detectors count without an object")
	case !o.counts && (o.flat != "" || o.dark != ""):
		return usagef("--flat and --dark go with --counts")
	case o.units == "HU" && !(o.water > 0):
		return usagef("--units HU wants --water MU, the attenuation of water in the unit of the scene, as 0.0192 in 1/mm at 70 keV")
	case o.water != 0 && o.units != "HU":
		return usagef("--water goes with --units HU")
	case o.missing != "" && o.missing != "nan":
		return usagef("--missing: %q; want nan", o.missing)
	case o.missing != "" && !strings.EqualFold(filepath.Ext(o.input), ".npy"):
		return usagef("--missing goes with a .npy file")
	case !isMeasurement(o.to):
		return usagef("%s: a measurement goes to a %s file", o.to, measurementExt)
	case sameFile(o.input, o.to):
		return usagef("%s would overwrite itself: choose another -o", o.input)
	}
	return mayWrite(o.to, o.force)
}

// described is the measurement of --spec, and of the flags, which come before it.
func (o measureOptions) described() (operators.Measurement, error) {
	m := operators.Measurement{Spec: o.spec, Noise: math.NaN()}
	if o.json != "" {
		text, err := os.ReadFile(o.json)
		if err != nil {
			return m, missing(fmt.Errorf("%s: %w", o.json, cause(err)))
		}
		if m, err = operators.ParseMeasurement(string(text)); err != nil {
			return m, fmt.Errorf("%s: %w", o.json, err)
		}
		if o.given {
			m.Spec = o.spec
		}
	}
	if !math.IsNaN(o.noise) {
		m.Noise = o.noise
	}
	if o.scene.Len() > 0 {
		m.Scene = o.scene
	}
	if o.black != 0 || o.white != 0 {
		m.Black, m.White = o.black, o.white
	}
	if o.units != "" {
		m.Units = o.units
	}
	if o.water > 0 {
		m.Gain, m.Offset = 1000/o.water, -1000
	}
	return m, nil
}

// numbers reads the input, and which of its numbers are known; nil: all of them.
func (o measureOptions) numbers(con *console, spec operators.Spec) (y operators.Image, known []float32, err error) {
	switch {
	case o.missing != "" && spec.ImageShaped():
		return y, nil, usagef("--missing goes with tomo and mri: lpn restore --missing nan reads a picture as it is")
	case o.missing != "" && !spec.LineIntegrals() && spec.Get("mask") != "detect":
		return y, nil, usagef("--missing goes with tomo, and with mri:mask=detect")
	case o.missing != "":
		return readGaps(o.input)
	case !spec.ImageShaped():
		y, err = readNumbers(o.input, o.array)
		var e *operators.FiniteError
		if errors.As(err, &e) && e.Value != e.Value && strings.EqualFold(filepath.Ext(o.input), ".npy") && (spec.LineIntegrals() || spec.Get("mask") == "detect") {
			err = fmt.Errorf("%w; with --missing nan, NaN is what was not measured", err)
		}
		return y, nil, err
	}
	p, err := readPicture(con, o.input)
	if err != nil {
		return y, nil, missing(err)
	}
	return p.Image, nil, nil
}

// fill sets what follows from the numbers, and says it.
func (o measureOptions) fill(m *operators.Measurement) (notes []string, err error) {
	say := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	if m.Spec.Complex() && m.Scene.Len() > 0 {
		m.Scene.C = 2
	}
	if o.counts {
		if !m.Spec.LineIntegrals() {
			return nil, usagef("--counts goes with tomo")
		}
		// The layout is checked before anything is made of the numbers; counts do not
		// tell the centre.
		if m.Spec.Get("centre") != "auto" {
			if _, _, err := m.Settle(); err != nil {
				return nil, err
			}
		}
		var t operators.Transmission
		if t.Flat, err = numberOrFile(o.flat); err != nil {
			return nil, err
		}
		if o.dark != "" {
			if t.Dark, err = numberOrFile(o.dark); err != nil {
				return nil, err
			}
		}
		if m.Y, m.Weights, err = t.Integrals(m.Y); err != nil {
			return nil, err
		}
	}
	if o.weights != "" {
		w, err := readNumbers(o.weights, "")
		if err != nil {
			return nil, err
		}
		spread, err := operators.Spread(w, m.Y.Shape)
		if err != nil {
			return nil, err
		}
		for i := range m.Weights {
			spread[i] *= m.Weights[i]
		}
		m.Weights = spread
	}
	if gaps := count0(o.known); gaps > 0 {
		say("%d numbers are missing", gaps)
		if m.Spec.LineIntegrals() {
			for i := range m.Weights {
				o.known[i] *= m.Weights[i]
			}
			m.Weights = o.known
		}
	}
	if o.scan != "" {
		scan, err := flags.Array(o.scan)
		if err != nil {
			return nil, err
		}
		if *m, err = m.Whiten(scan); err != nil {
			return nil, err
		}
		say("the coils were made independent by the noise scan")
	}
	settled, found, err := m.Settle()
	if err != nil {
		return nil, err
	}
	*m, notes = settled, append(notes, found...)
	switch axis, ok := m.Spec.SeenAxis(m.Y, m.Scene, m.Weights); {
	case ok && axis.Sure:
		m.Spec = m.Spec.WithAxis(axis, m.Scene)
		say("%v (centre=%g leaves it there)", axis, axis.Assumed)
	case ok:
		say("%v", axis)
	}
	if _, err := m.Build(); err != nil {
		return nil, err
	}
	o.sayNoise(m, say)
	if m.Units == "HU" {
		say("the result is in HU: 1000 (x/%.6g - 1)", 1000/m.Gain)
	}
	return notes, nil
}

// count0 is how many numbers are 0.
func count0(v []float32) int {
	n := 0
	for _, x := range v {
		if x == 0 {
			n++
		}
	}
	return n
}

// sayNoise decides and says the noise: of counts it is that of photons, unless the
// numbers show another.
func (o measureOptions) sayNoise(m *operators.Measurement, say func(format string, args ...any)) {
	seen, found := m.Spec.FindNoise(m.Y, m.Scene, m.Weights)
	const alike = 1.3
	switch {
	case !math.IsNaN(m.Noise):
		say("noise %.4g, as given", m.Noise)
	case o.counts && found && (seen > alike || seen < 1/alike):
		m.Noise = seen
		say("the numbers are no photons: each stands for %.3g", 1/(seen*seen))
	case o.counts:
		m.Noise = 1
		say("every ray is weighed by its photons")
	case found:
		m.Noise = seen
		say("noise about %.4g, found in the numbers", seen)
	default:
		say("the noise is not known: lpn restore wants --noise, or estimates it from a picture")
	}
}

// numberOrFile reads a flag that is a number or a file of them.
func numberOrFile(text string) (operators.Image, error) {
	if v, err := strconv.ParseFloat(text, 32); err == nil {
		return operators.Image{Shape: operators.Shape{C: 1, H: 1, W: 1}, Pix: []float32{float32(v)}}, nil
	}
	return readNumbers(text, "")
}
