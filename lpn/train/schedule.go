package train

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/lpn-imaging/lpn/internal/fraction"
)

// A Stage is a part of a training with one loss.
type Stage struct {
	// Loss is l1, l2 or pm; own is Options.Loss.
	Loss Loss `json:"loss"`
	// Steps is the number of updates.
	Steps int `json:"steps"`
	// Rate is the learning rate (its largest value, with Warmup or Cosine).
	Rate float64 `json:"rate"`
	// Gamma is the width of proximal matching (pm only), as a root mean
	// square in picture units: the gamma of the paper's formula, for samples
	// of n values, is Gamma*sqrt(n). So a plan does not depend on the patch.
	Gamma float64 `json:"gamma,omitempty"`
	// Warmup is the fraction of Steps, in [0,1), over which the rate rises
	// linearly. Default 0.
	Warmup float64 `json:"warmup,omitempty"`
	// Cosine lets the rate fall to 0 along half a cosine after the warm-up.
	Cosine bool `json:"cosine,omitempty"`
	// Sigma is the noise of this stage in picture units; 0 means that of the
	// network.
	Sigma float64 `json:"sigma,omitempty"`
}

// A Plan is the stages of a training, in order.
type Plan []Stage

// Paper is the schedule of Fang, Buchanan & Sulam (2024) stretched to a total
// number of steps: half of them l1 at rate 1e-3, then four stages of proximal
// matching at 1e-4 with gamma 0.08*sqrt(n) times 8, 4, 2, 1. Theirs has 40,000.
func Paper(total int) Plan {
	p := Plan{{Loss: L1, Steps: total / 2, Rate: 1e-3}}
	left := total - total/2
	for i, k := range []float64{8, 4, 2, 1} {
		n := left / (4 - i)
		left -= n
		p = append(p, Stage{Loss: PM, Steps: n, Rate: 1e-4, Gamma: 0.08 * k})
	}
	return p
}

// Steps is the total number of updates.
func (p Plan) Steps() int {
	n := 0
	for _, s := range p {
		n += s.Steps
	}
	return n
}

// Stretched returns the plan with its stages in proportion over another number
// of steps, and its rates scaled so that the first is rate.
func (p Plan) Stretched(steps int, rate float64) Plan {
	out := slices.Clone(p)
	total, before, first := p.Steps(), 0, p[0].Rate
	for i := range out {
		end := before + p[i].Steps
		out[i].Steps = end*steps/total - before*steps/total
		out[i].Rate *= rate / first
		before = end
	}
	return slices.DeleteFunc(out, func(s Stage) bool { return s.Steps == 0 })
}

// At returns the stage that contains a step, counted from 0, its index, and
// the step counted from the stage's beginning. Beyond the end it is the last
// stage.
func (p Plan) At(step int) (s Stage, index, local int) {
	for i, s := range p {
		if step < s.Steps || i == len(p)-1 {
			return s, i, step
		}
		step -= s.Steps
	}
	panic("train: At of an empty plan")
}

// RateAt is the learning rate of a step, counted from 0 over all stages. With
// W steps of warm-up, step t of a stage of S has
//
//	Rate * (t+1)/W                                 t < W
//	Rate * (1 + cos(pi*(t-W)/(S-W)))/2             with Cosine
//	Rate                                           otherwise
//
// and beyond the stage it is that at t = S.
func (p Plan) RateAt(step int) float64 {
	s, _, t := p.At(step)
	t = min(t, s.Steps)
	w := int(math.Ceil(s.Warmup * float64(s.Steps)))
	switch {
	case t < w:
		return s.Rate * float64(t+1) / float64(w)
	case s.Cosine && w < s.Steps:
		return s.Rate * (1 + math.Cos(math.Pi*float64(t-w)/float64(s.Steps-w))) / 2
	}
	return s.Rate
}

const (
	maxStages = 1000
	maxSteps  = 1_000_000_000
)

// Validate reports what is wrong with the plan, in one line, or nil.
func (p Plan) Validate() error {
	if len(p) == 0 || len(p) > maxStages {
		return fmt.Errorf("train: a plan of %d stages, want 1 to %d", len(p), maxStages)
	}
	for i, s := range p {
		if err := s.validate(); err != nil {
			return fmt.Errorf("train: stage %d: %w", i+1, err)
		}
	}
	return nil
}

func (s Stage) validate() error {
	positive := func(v float64) bool { return v > 0 && !math.IsInf(v, 0) }
	switch {
	case s.Loss != L1 && s.Loss != L2 && s.Loss != PM && s.Loss != Own:
		return fmt.Errorf("loss is %q, want l1, l2 or pm", s.Loss)
	case s.Steps < 1 || s.Steps > maxSteps:
		return fmt.Errorf("steps is %d, want 1 to %d", s.Steps, maxSteps)
	case !positive(s.Rate) || s.Rate > 10:
		return fmt.Errorf("rate is %g, want a positive number up to 10", s.Rate)
	case s.Loss == PM && !positive(s.Gamma):
		return fmt.Errorf("gamma is %g, want a positive number for the loss pm", s.Gamma)
	case s.Loss != PM && s.Gamma != 0:
		return fmt.Errorf("gamma is %g, but the loss %s has none", s.Gamma, s.Loss)
	case !(s.Warmup >= 0 && s.Warmup < 1):
		return fmt.Errorf("warmup is %g, want a fraction of the steps in [0,1)", s.Warmup)
	case s.Sigma != 0 && !positive(s.Sigma):
		return fmt.Errorf("sigma is %g, want a positive number", s.Sigma)
	}
	return nil
}

// LoadPlan reads a plan from a JSON file if arg ends in .json, else from arg
// itself, as ParsePlan does. The file holds a list of stages:
//
//	[{"loss":"l2","steps":20000,"rate":6e-3,"warmup":0.05,"cosine":true},
//	 {"loss":"pm","steps":5000,"rate":1e-4,"gamma":0.08}]
func LoadPlan(arg string) (Plan, error) {
	if !strings.HasSuffix(strings.ToLower(arg), ".json") {
		return ParsePlan(arg)
	}
	f, err := os.Open(arg)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p, err := decodePlan(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", arg, err)
	}
	return p, nil
}

func decodePlan(r io.Reader) (Plan, error) {
	const limit = 1 << 20
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if len(b) > limit {
		return nil, fmt.Errorf("train: a plan of more than %d bytes", limit)
	}
	var p Plan
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return nil, fmt.Errorf("train: not a plan: %w", err)
	}
	if len(bytes.TrimSpace(b[d.InputOffset():])) > 0 {
		return nil, errors.New("train: not a plan: the file goes on after its list of stages")
	}
	return p, p.Validate()
}

// ParsePlan reads a plan written as
//
//	plan   = stage { ";" stage }
//	stage  = loss ":" steps "@" rate { "," option }
//	loss   = "l1" | "l2" | "pm"
//	option = "cosine" | "warmup=" fraction | "gamma=" rms | "sigma=" noise
//
// where steps may end in k for thousands, and noise may be a fraction such as
// 25/255. For example
//
//	l2:20k@6e-3,warmup=0.05,cosine;pm:5k@1e-4,gamma=0.08
func ParsePlan(spec string) (Plan, error) {
	var p Plan
	for i, text := range strings.Split(spec, ";") {
		s, err := parseStage(strings.TrimSpace(text))
		if err != nil {
			return nil, fmt.Errorf("train: plan %q: stage %d: %w", shorten(spec), i+1, err)
		}
		p = append(p, s)
	}
	return p, p.Validate()
}

func shorten(s string) string {
	if len(s) > 80 {
		return s[:77] + "..."
	}
	return s
}

func parseStage(text string) (Stage, error) {
	var s Stage
	fields := strings.Split(text, ",")
	loss, rest, ok1 := strings.Cut(fields[0], ":")
	steps, rate, ok2 := strings.Cut(rest, "@")
	if !ok1 || !ok2 {
		return s, fmt.Errorf("%q is not like l2:20k@6e-3 (loss:steps@rate)", shorten(fields[0]))
	}
	s.Loss = Loss(strings.TrimSpace(loss))
	digits, thousand := strings.CutSuffix(strings.TrimSpace(steps), "k")
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 || n > maxSteps {
		return s, fmt.Errorf("%q is not a number of steps", shorten(steps))
	}
	if s.Steps = n; thousand {
		s.Steps = n * 1000
	}
	if s.Rate, err = parseNumber(rate); err != nil {
		return s, fmt.Errorf("rate: %w", err)
	}
	for _, f := range fields[1:] {
		key, value, has := strings.Cut(strings.TrimSpace(f), "=")
		switch key {
		case "cosine":
			if has {
				return s, errors.New("cosine takes no value")
			}
			s.Cosine = true
			continue
		case "warmup":
			s.Warmup, err = parseNumber(value)
		case "gamma":
			s.Gamma, err = parseNumber(value)
		case "sigma":
			s.Sigma, err = parseNumber(value)
		default:
			return s, fmt.Errorf("option %q, want cosine, warmup=, gamma= or sigma=", shorten(key))
		}
		if err != nil {
			return s, fmt.Errorf("%s: %w", key, err)
		}
	}
	return s, nil
}

// parseNumber is [fraction.Parse] with an error.
func parseNumber(text string) (float64, error) {
	v, ok := fraction.Parse(text)
	if !ok {
		return 0, fmt.Errorf("%q is not a number", shorten(text))
	}
	return v, nil
}

// String writes the plan as ParsePlan reads it.
func (p Plan) String() string {
	var b strings.Builder
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	for i, s := range p {
		if i > 0 {
			b.WriteByte(';')
		}
		fmt.Fprintf(&b, "%s:%d@%s", s.Loss, s.Steps, number(s.Rate))
		if s.Gamma != 0 {
			b.WriteString(",gamma=" + number(s.Gamma))
		}
		if s.Warmup != 0 {
			b.WriteString(",warmup=" + number(s.Warmup))
		}
		if s.Cosine {
			b.WriteString(",cosine")
		}
		if s.Sigma != 0 {
			b.WriteString(",sigma=" + number(s.Sigma))
		}
	}
	return b.String()
}
