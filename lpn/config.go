package lpn

import (
	"errors"
	"fmt"
	"math"

	"github.com/lpn-imaging/lpn/internal/network"
)

// A Config describes a network completely; a prior's file holds it with the weights.
// Exactly one of Softplus and Pyramid is set.
type Config struct {
	// Name is a label for people; nothing depends on it.
	Name string `json:"name,omitempty"`
	// Channels is the number of planes of a picture, 1 or 3 (1 for 1-D data).
	Channels int `json:"channels"`
	// Height and Width fix the picture's size; 0 means any size.
	Height int `json:"height,omitempty"`
	Width  int `json:"width,omitempty"`
	// Sigma is the noise standard deviation, in picture units, that the
	// network was trained to remove.
	Sigma float64 `json:"sigma"`
	// Unit is the picture value of one network unit: f(y) = Unit*grad
	// psi(y/Unit). Networks in noise units have Unit = Sigma.
	Unit float64 `json:"unit"`
	// Alpha is the modulus of strong convexity of psi: psi contains
	// Alpha/2 ||x||^2.
	Alpha float64 `json:"alpha"`

	Softplus *SoftplusConfig `json:"softplus,omitempty"`
	Pyramid  *PyramidConfig  `json:"pyramid,omitempty"`
}

// A SoftplusConfig is the input-convex network of Fang, Buchanan & Sulam
// (2024), equation 5, with convolutions for the linear maps:
//
//	z_1     = s(H_0 x + b_0)
//	z_{k+1} = s(W_k z_k + H_k x + b_k)
//	psi     = <w, z_K> + <v, x> + alpha/2 ||x||^2
//
// where s is the softplus of sharpness Beta, W_k, w >= 0, and x enters layer k
// resized to the layer's input. The last product is summed over positions.
type SoftplusConfig struct {
	Beta   float64 `json:"beta"`
	Layers []Layer `json:"layers"`
	// FirstBias and LastBias say whether lin.0 and the last map have biases (the last
	// one moves psi by a constant), LinearTerm whether there is v.
	FirstBias  bool `json:"first_bias,omitempty"`
	LastBias   bool `json:"last_bias,omitempty"`
	LinearTerm bool `json:"linear_term,omitempty"`
}

// A Layer is one hidden layer: a K x K convolution to Width channels.
type Layer struct {
	Width  int `json:"width"`
	K      int `json:"k"`
	Stride int `json:"stride"`
	Pad    int `json:"pad"`
}

// A PyramidConfig is the pyramid of gated energies. With S space-to-depth by
// 2, level l has linear maps g_l = W_l S(g_{l-1}) and features h_l = A_l g_l,
// energies q_l = e(h_l), gates
//
//	p_l = N_l q_l + T_l avgpool(z_{l-1}) + b_l,   N_l, T_l >= 0,
//	z_l = gate(p_l), summed over groups of Group channels,
//
// and psi = sum_l <w, c_l z_l + a_l q_l> + (1-alpha-slack)/2 sum_k ||V_k x||^2
// + alpha/2 ||x||^2, where w is the fraction of the cell inside the picture and
// V are low-pass filters of unit gain at the constant. It is convex because
// e is, and the gates are convex and non-decreasing.
//
// The energy e is Huber's function: h^2/2 as far as Threshold, and linear beyond.
// Threshold is above every feature of an image with samples in [0,1], so it changes
// nothing there; far away it lets psi grow like the low-pass and alpha terms
// alone, which bounds R from below.
type PyramidConfig struct {
	Levels []PyramidLevel `json:"levels"`
	// Gate is "lse" (log-sum-exp over the group) or "hard" (sum over the
	// group of the integrated hard sigmoid).
	Gate string `json:"gate"`
	// Group is the number of channels that share one gate.
	Group int `json:"group"`
	// Lowpass filters V of LowpassSize x LowpassSize.
	Lowpass     int `json:"lowpass"`
	LowpassSize int `json:"lowpass_size"`
	// Threshold is where the energies turn from quadratic to linear, in network
	// units; 0 for never.
	Threshold float64 `json:"reach,omitempty"`
	// Slack is 1 minus the gain of a constant picture; it keeps the gain bound strictly
	// below 1.
	Slack float64 `json:"slack,omitempty"`
}

// A PyramidLevel sizes one level: Maps channels of g, made by WK x WK filters; Features
// channels of h and of p, made by AK x AK filters; gates with NK x NK cells as input.
type PyramidLevel struct {
	Maps     int `json:"maps"`
	WK       int `json:"wk"`
	Features int `json:"features"`
	AK       int `json:"ak"`
	NK       int `json:"nk"`
}

// Validate reports what is wrong with c, in one line, or nil.
func (c Config) Validate() error {
	switch {
	case c.Channels < 1 || c.Channels > 64:
		return fmt.Errorf("lpn: channels is %d, want 1 to 64", c.Channels)
	case c.Height < 0 || c.Width < 0 || (c.Height == 0) != (c.Width == 0):
		return fmt.Errorf("lpn: size %dx%d, want both positive or both 0", c.Height, c.Width)
	case !(c.Sigma > 0) || math.IsInf(c.Sigma, 0):
		return fmt.Errorf("lpn: sigma is %v, want a positive number", c.Sigma)
	case !(c.Unit > 0) || math.IsInf(c.Unit, 0):
		return fmt.Errorf("lpn: unit is %v, want a positive number", c.Unit)
	case !(c.Alpha >= 0) || c.Alpha >= 1:
		return fmt.Errorf("lpn: alpha is %v, want a number in [0,1)", c.Alpha)
	case (c.Softplus == nil) == (c.Pyramid == nil):
		return errors.New("lpn: a config has either softplus or pyramid")
	case c.Height > maxSide || c.Width > maxSide:
		return fmt.Errorf("lpn: size %dx%d, want at most %d", c.Height, c.Width, maxSide)
	}
	var err error
	if c.Softplus != nil {
		err = c.Softplus.validate()
	} else {
		err = c.Pyramid.validate()
	}
	if err != nil {
		return err
	}
	if n := c.NumParams(); n > maxWeights {
		return fmt.Errorf("lpn: %d weights, want at most %d", n, maxWeights)
	}
	if c.Height > 0 {
		return c.Fits(c.Height, c.Width)
	}
	return nil
}

// Fits is an error of one line if filters are larger than their input for a picture of
// h x w pixels, else nil.
func (c Config) Fits(h, w int) error {
	if c.Softplus == nil {
		return nil // pads as needed
	}
	ih, iw := h, w
	for i, l := range c.Softplus.Layers {
		ih, iw = ih+2*l.Pad-l.K, iw+2*l.Pad-l.K
		if ih < 0 || iw < 0 {
			return fmt.Errorf("lpn: a picture of %dx%d pixels is too small for the filters of layer %d", h, w, i)
		}
		ih, iw = ih/l.Stride+1, iw/l.Stride+1
	}
	return nil
}

// A config is a few bytes that ask for memory: these bound how much.
const (
	maxSide    = 1 << 14
	maxWeights = 1 << 26
)

func (s *SoftplusConfig) validate() error {
	if !(s.Beta > 0) || math.IsInf(s.Beta, 0) {
		return fmt.Errorf("lpn: beta is %v, want a positive number", s.Beta)
	}
	if len(s.Layers) < 1 || len(s.Layers) > 64 {
		return fmt.Errorf("lpn: %d layers, want 1 to 64", len(s.Layers))
	}
	for i, l := range s.Layers {
		if l.Width < 1 || l.Width > 4096 || l.K < 1 || l.K > 64 || l.Stride < 1 || l.Stride > 2 || l.Pad < 0 || l.Pad >= l.K {
			return fmt.Errorf("lpn: layer %d is %+v, want width 1 to 4096, k 1 to 64, stride 1 or 2, pad below k", i, l)
		}
	}
	return nil
}

func (p *PyramidConfig) validate() error {
	if len(p.Levels) < 1 || len(p.Levels) > 8 {
		return fmt.Errorf("lpn: %d levels, want 1 to 8", len(p.Levels))
	}
	if p.Gate != "lse" && p.Gate != "hard" {
		return fmt.Errorf("lpn: gate %q, want lse or hard", p.Gate)
	}
	if p.Group < 1 || p.Group > 4096 {
		return fmt.Errorf("lpn: group is %d, want 1 to 4096", p.Group)
	}
	odd := func(k int) bool { return k >= 1 && k <= 31 && k%2 == 1 }
	for i, l := range p.Levels {
		if l.Maps < 1 || l.Maps > 4096 || l.Features < 1 || l.Features > 4096 || l.Features%p.Group != 0 || !odd(l.WK) || !odd(l.AK) || !odd(l.NK) {
			return fmt.Errorf("lpn: level %d is %+v, want odd filters up to 31 and features a multiple of the group (%d)", i, l, p.Group)
		}
	}
	if p.Lowpass < 1 || p.Lowpass > 16 || !odd(p.LowpassSize) {
		return fmt.Errorf("lpn: %d low-pass filters of size %d, want 1 to 16 of an odd size up to 31", p.Lowpass, p.LowpassSize)
	}
	if !(p.Threshold >= 0) || math.IsInf(p.Threshold, 0) {
		return fmt.Errorf("lpn: the threshold (reach) is %v, want a positive number, or 0 for none", p.Threshold)
	}
	if !(p.Slack >= 0 && p.Slack < 0.5) {
		return fmt.Errorf("lpn: slack is %v, want a number in [0,0.5)", p.Slack)
	}
	return nil
}

// Definition is for the engine and the trainer of this module: the names and
// constraints of the weights, and psi and f as a list of operations. Other programs do
// not need it.
func (c Config) Definition() network.Definition {
	if c.Softplus != nil {
		return network.Definition{Channels: c.Channels, Params: c.softplusParams(), Record: c.recordSoftplus}
	}
	return network.Definition{Channels: c.Channels, Params: c.pyramidParams(), Record: c.recordPyramid}
}

// NumParams is the number of weights.
func (c Config) NumParams() int {
	n := 0
	for _, p := range c.Definition().Params {
		n += p.Len()
	}
	return n
}
