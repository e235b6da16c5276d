package restore

import (
	"fmt"

	"github.com/lpn-imaging/lpn/operators/noise"
)

// Reasons has the reason of each choice of a Plan in words, "" if there was no choice.
type Reasons struct {
	Range     string `json:"range,omitempty"`
	Saturated string `json:"saturated,omitempty"`
	Gray      string `json:"gray,omitempty"`
	Noise     string `json:"noise,omitempty"`
	Prior     string `json:"prior,omitempty"`
	Scale     string `json:"scale,omitempty"`
	Weight    string `json:"weight,omitempty"`
	Start     string `json:"start,omitempty"`
	Solver    string `json:"solver,omitempty"`
	Iters     string `json:"iters,omitempty"`
	Memory    string `json:"memory,omitempty"`
}

// reasons explains a plan whose choices are made.
func (p *Plan) reasons() Reasons {
	r := Reasons{
		Range: p.rangeReason(), Noise: p.noiseReason(), Prior: p.priorReason(), Scale: p.scaleReason(), Weight: p.weightReason(),
		Start: startReasons[startKind(p.Start)], Solver: "asked for", Memory: "the whole problem fits",
	}
	if p.fills() && r.Start == startReasons[startQuadratic] {
		r.Start += "; in gaps a membrane through what is known, since the prior alone hardly tells gray from black"
	}
	if p.Saturated {
		r.Saturated = "more samples lie at black or white than noise would put there, and fewer than in a page of text"
		if r.Start == startReasons[startMeasured] {
			r.Start = "the quadratic estimate would take clipped samples for measured ones"
		}
	}
	if p.Gray {
		r.Gray = "the channels are equal"
	}
	if p.Solver == "bpg" {
		r.Solver = "bpg takes any weight for one evaluation of the network an iteration, and its objective falls at every step"
	}
	if p.correlated() && p.options.itersByDefault {
		r.Iters = "more iterations change an image with correlated noise by less than can be seen"
	}
	if p.Windows != nil {
		r.Memory = "the whole problem does not fit, and the operator is local: windows that overlap give nearly the same image"
		if p.oneEvaluation() {
			r.Memory = "the whole problem does not fit: windows that overlap by the receptive field give the same image"
		}
	}
	return r
}

// startReasons has a row for each start.
var startReasons = map[startKind]string{
	startMeasured:  "the measurement is an image of the scene already",
	startDecoded:   "the decoded picture is within the rounding of the file",
	startQuadratic: "it undoes the operator as far as the noise lets it, without a prior that could mislead",
	startGraduated: "with so few measurements the quadratic estimate is full of aliases, from which a solver ends in a poor minimum",
}

func (p *Plan) rangeReason() string {
	switch {
	case p.policy.rounded:
		return "JPEG files have samples from 0 to 1"
	case !p.problem.Range.IsZero():
		return "given"
	case p.Range == Unit:
		return "the samples look like an image in [0,1]"
	}
	return "from the darkest to the brightest sample, without a thousandth at either end"
}

func (p *Plan) noiseReason() string {
	switch {
	case !p.Estimated:
		return "given"
	case !p.policy.rounded:
		return "estimated from the measurement"
	case p.Level == 0:
		return "no noise above the errors of rounding, the same everywhere, was found in the decoded picture"
	}
	return "estimated from the decoded picture"
}

// levelReason is the reason for the level to which the prior is scaled.
func (p *Plan) levelReason() string {
	level := p.priorLevel()
	switch {
	case p.policy.rounded && p.Level == 0:
		return fmt.Sprintf("the level %.3g, which the quantisation tables ask for", level)
	case p.policy.rounded:
		return fmt.Sprintf("the level %.3g, which the quantisation tables and the noise ask for", level)
	case level > p.level():
		return fmt.Sprintf("the level %.3g: undoing the operator spreads and amplifies the noise", level)
	case p.correlated():
		return fmt.Sprintf("the level %.3g: a prior takes correlated noise for texture unless it expects more", level)
	}
	where := ""
	if p.treatment != nil && p.treatment.Stabiliser != nil {
		where = " on a scale of brightness where it is alike everywhere"
	}
	return fmt.Sprintf("the level %.3g of the noise%s", level, where)
}

// correlated reports whether the noise that is left on the scale of the
// restoration is correlated.
func (p *Plan) correlated() bool {
	if p.treatment == nil {
		return false
	}
	_, correlated := p.treatment.Model.(noise.Correlated)
	return correlated
}

func (p *Plan) priorReason() string {
	if !p.options.Prior.IsZero() {
		return "asked for"
	}
	return fmt.Sprintf("chosen for %s and %s", channelCount(p.Scene.C), p.levelReason())
}

func (p *Plan) scaleReason() string {
	switch {
	case p.options.Scale != 0:
		return "asked for"
	case !p.options.Prior.IsZero() && !p.policy.alone:
		return "a prior that was asked for is taken as it was trained"
	case p.Scale == mostScale && p.Sigma/p.priorLevel() > mostScale:
		return fmt.Sprintf("no more than %d: the prior was not trained on images of more contrast; the weight falls instead", mostScale)
	}
	if !p.options.Prior.IsZero() {
		return "to " + p.levelReason()
	}
	return "to that level"
}

func (p *Plan) weightReason() string {
	why := "no other factor was better on training images"
	switch {
	case p.policy.alone && p.Weight == 1:
		why = "the noise is taken away where it is white, so the statistical weight holds"
	case p.policy.rounded && p.Level == 0:
		why = "from the quantisation tables: the errors of rounding are smaller than the level of the prior"
	case p.policy.rounded:
		why = "between what the quantisation tables and what the noise ask for"
	case p.correlated() && p.Weight != 1:
		why = "correlated noise was best removed at more than the statistical weight"
	case p.Weight != 1:
		why = "once the operator is undone the noise is not white: the factor follows the part of the scene that the measurement resolves"
	}
	if p.Level < p.policy.leastNoise {
		why += fmt.Sprintf("; for noise of %.3g at least, so that the prior still counts", p.policy.leastNoise)
	}
	if p.Strength != 1 {
		why += "; the strength was asked for"
	}
	return why
}

// channelCount is n channels, in words.
func channelCount(n int) string {
	if n == 1 {
		return "1 channel"
	}
	return fmt.Sprintf("%d channels", n)
}
