package lpn

import (
	"fmt"
	"math"
	"strconv"
)

// A Finding is one property of a certificate, for people.
type Finding struct {
	// What names the property. Proved means for every picture; the others were
	// measured at probes.
	What   string `json:"what"`
	Proved bool   `json:"proved"`
	// Value is what was found and Wanted what it must be; OK compares them as the
	// certificate does.
	Value  string `json:"value"`
	Wanted string `json:"wanted"`
	OK     bool   `json:"ok"`
	// Meaning says in one sentence what follows.
	Meaning string `json:"meaning"`
}

// Findings are the properties of a certificate, those that are proved first.
func (c Certificate) Findings() []Finding {
	var out []Finding
	add := func(what string, proved bool, value, wanted string, ok bool, meaning string) {
		out = append(out, Finding{what, proved, value, wanted, ok, meaning})
	}
	g := func(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }
	if c.ConvexWeights != nil {
		add("signs of the weights", true, map[bool]string{true: "as they must be", false: "violated"}[*c.ConvexWeights], "none negative", *c.ConvexWeights,
			"psi is convex for every picture, so f = grad psi is the proximal operator of a function R.")
	}
	if c.GainBound != nil {
		add("gain bound of psi", true, g(*c.GainBound), "at most 1", c.OK || *c.GainBound <= 1, "R has a minimum: a solver cannot fall for ever.")
	}
	add("strong convexity of psi", true, g(c.StrongConvexity), "at least 0", c.StrongConvexity >= 0, "above 0, f can be inverted everywhere and every value of R has a bound on its error.")
	if c.LipschitzBound != nil {
		where := "for all pictures"
		if b := c.LipschitzBox; b != nil {
			where = fmt.Sprintf("for samples in [%g,%g]", b[0], b[1])
		}
		add("bound of the slope of f", true, g(*c.LipschitzBound)+" "+where, "finite", !math.IsNaN(*c.LipschitzBound) && !math.IsInf(*c.LipschitzBound, 0),
			"f amplifies no change by more. The bound is far above the slopes that are seen.")
	}
	scale := max(1, c.Lipschitz)
	add("f is the gradient of psi", false, g(c.GradientError), "about 0", c.GradientError <= tolGradient, "psi(b) - psi(a) is the integral of f from a to b, to rounding.")
	add("the Jacobian is symmetric", false, g(c.JacobianAsymmetry), "about 0", c.JacobianAsymmetry <= tolDifference, "as that of any gradient is.")
	add("least slope of f", false, g(c.JacobianMinEig), "at least "+g(c.StrongConvexity)+", to rounding", c.JacobianMinEig >= c.StrongConvexity-tolDifference*scale,
		"f never turns back: no direction in which more in gives less out.")
	add("largest slope of f seen", false, g(c.Lipschitz), "finite", !math.IsNaN(c.Lipschitz) && !math.IsInf(c.Lipschitz, 0), "how much f can amplify a small change. It may be above 1.")
	add("psi is convex on segments", false, fmt.Sprintf("%d violations", c.PsiConvexityViolations), "0", c.PsiConvexityViolations == 0, "tried on random segments and on ones found by looking for trouble.")
	add("Fenchel's inequality", false, g(c.FenchelGap), "about 0", c.FenchelGap <= tolFenchel, "psi and its conjugate belong together; R rests on that.")
	add("inversion of f", false, g(c.InversionResidual), "about 1e-5", c.InversionResidual <= tolInversion, "for x = f(y) the y was found again.")
	add("proximal gradient descent", false, fmt.Sprintf("%d steps up", c.DescentViolations), "0", c.DescentViolations == 0, "the objective falls in every step, as the theorem says.")
	if c.StripeGain != nil {
		add("gain of stripes", false, g(*c.StripeGain), "at most 1, to rounding", c.OK || *c.StripeGain <= 1+tolGain, "f amplifies no wave: a solver paints no stripes where the measurement is blind.")
		add("R of stripes", false, g(*c.StripeMargin)+" above a flat picture's", "at least 0", c.OK || *c.StripeMargin >= 0, "a picture of stripes is no more likely than a flat one.")
	}
	return out
}
