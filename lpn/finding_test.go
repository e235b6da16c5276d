package lpn

import (
	"math"
	"testing"
)

// TestFindings: a certificate that holds has no finding that does not, and what is broken
// in one is the one finding that fails.
func TestFindings(t *testing.T) {
	yes, no, one, much, bound, margin, low := true, false, 0.9999, 1.5, 7e5, 0.3, -0.3
	good := Certificate{OK: true, ConvexWeights: &yes, GainBound: &one, StrongConvexity: 0.01, Lipschitz: 6, JacobianMinEig: 0.01, LipschitzBound: &bound,
		LipschitzBox: &[2]float64{-0.5, 1.5}, StripeGain: &one, StripeMargin: &margin, InversionResidual: 1e-5}
	for _, f := range good.Findings() {
		if !f.OK || f.What == "" || f.Value == "" || f.Wanted == "" || f.Meaning == "" {
			t.Errorf("%+v", f)
		}
	}
	n := len(good.Findings())
	for what, spoil := range map[string]func(c *Certificate){
		"signs of the weights":      func(c *Certificate) { c.ConvexWeights = &no },
		"gain bound of psi":         func(c *Certificate) { c.GainBound = &much },
		"strong convexity of psi":   func(c *Certificate) { c.StrongConvexity = -1 },
		"f is the gradient of psi":  func(c *Certificate) { c.GradientError = 0.1 },
		"the Jacobian is symmetric": func(c *Certificate) { c.JacobianAsymmetry = math.NaN() },
		"least slope of f":          func(c *Certificate) { c.JacobianMinEig = -1 },
		"largest slope of f seen":   func(c *Certificate) { c.Lipschitz = math.Inf(1); c.JacobianMinEig = math.Inf(1) },
		"psi is convex on segments": func(c *Certificate) { c.PsiConvexityViolations = 1 },
		"Fenchel's inequality":      func(c *Certificate) { c.FenchelGap = 1e-3 },
		"inversion of f":            func(c *Certificate) { c.InversionResidual = 1e-2 },
		"proximal gradient descent": func(c *Certificate) { c.DescentViolations = 2 },
		"gain of stripes":           func(c *Certificate) { c.StripeGain = &much },
		"R of stripes":              func(c *Certificate) { c.StripeMargin = &low },
	} {
		c := good
		c.OK = false
		spoil(&c)
		for _, f := range c.Findings() {
			if f.OK == (f.What == what) {
				t.Errorf("%s is spoilt: %s is %v", what, f.What, f.OK)
			}
		}
		if len(c.Findings()) != n {
			t.Errorf("%s: %d findings, want %d", what, len(c.Findings()), n)
		}
	}
	// Numbers have no waves, and old certificates no bound.
	if n := len((Certificate{OK: true}).Findings()); n != 9 {
		t.Errorf("%d findings of a certificate without its optional ones", n)
	}
}
