package operators

import (
	"fmt"
	"math"
	"strconv"
)

func init() {
	register(&family{
		name: "mri", place: 7,
		forms: []*form{{
			fields: []field{
				{key: "accel", kind: number, lo: 1, hi: 64},
				{key: "seed", kind: seed, hi: 1 << 53},
				{key: "center", kind: number, hi: 1},
				{key: "mask", kind: file, words: []string{"detect"}, check: checkPlaces},
				{key: "coils", kind: file, words: []string{"estimate"}, check: checkCoils},
				{key: "centred", kind: choice, choices: []string{"true", "false"}},
				{key: "phase", kind: choice, choices: []string{"none", "smooth", "free"}},
			},
			complete: completeMRI,
		}},
		build:  buildMRI,
		settle: settleMRI,
		noise:  mriNoise,
	})
}

// completeMRI checks that rows are drawn or a mask is given.
func completeMRI(v values) error {
	_, mask := v["mask"]
	_, accel := v["accel"]
	switch {
	case mask == accel:
		return fmt.Errorf("want either accel=A or mask=FILE")
	case accel:
		for key, def := range map[string]string{"seed": "0", "center": "0.08"} {
			if _, given := v[key]; !given {
				v[key] = def
			}
		}
		return nil
	}
	for _, key := range []string{"seed", "center"} {
		if _, given := v[key]; given {
			return fmt.Errorf("%s goes with accel, not with mask", key)
		}
	}
	return nil
}

func checkPlaces(m Image) error {
	_, err := places(m, Shape{1, m.H, m.W})
	return err
}

func checkCoils(m Image) error {
	if m.C%2 != 0 {
		return fmt.Errorf("coil maps of %v real numbers; want complex ones, coils x height x width", m.Shape)
	}
	return nil
}

// places reads a mask for scenes of shape s: of H x W numbers, or a row of H, a row of
// k-space each; where H is not W, a row of W is a column each. Measured is what is at
// least half of the largest number.
func places(m Image, s Shape) ([]bool, error) {
	top := float32(0)
	for _, v := range m.Pix {
		if !(v >= 0) || math.IsInf(float64(v), 1) {
			return nil, fmt.Errorf("a mask with the number %v; want 0 and 1", v)
		}
		top = max(top, v)
	}
	if top == 0 {
		return nil, fmt.Errorf("the mask measures no place of k-space")
	}
	list := m.C == 1 && (m.H == 1 || m.W == 1)
	var at func(i int) int
	switch {
	case m.C == 1 && m.H == s.H && m.W == s.W:
		at = func(i int) int { return i }
	case list && m.Len() == s.H:
		at = func(i int) int { return i / s.W }
	case list && m.Len() == s.W:
		at = func(i int) int { return i % s.W }
	default:
		return nil, fmt.Errorf("a mask of %v for k-space of %dx%d; want that, or a list of its %d rows", m.Shape, s.H, s.W, s.H)
	}
	out := make([]bool, s.H*s.W)
	for i := range out {
		out[i] = m.Pix[at(i)] >= top/2
	}
	return out, nil
}

// Places are the places of k-space, row by row, that a spec of mri measures of scenes of
// shape s.
func (sp Spec) Places(s Shape) ([]bool, error) {
	if m, have := sp.Content("mask"); have {
		return places(m, s)
	}
	if sp.Get("mask") != "" {
		return nil, sp.loaded()
	}
	rows, err := drawRows(s, sp.float("accel"), sp.float("center"), sp.seed())
	if err != nil {
		return nil, err
	}
	shift := 0
	if sp.Get("centred") == "true" {
		shift = s.H / 2
	}
	out := make([]bool, s.H*s.W)
	for _, u := range rows {
		row := out[(int(u)+shift)%s.H*s.W:][:s.W]
		for v := range row {
			row[v] = true
		}
	}
	return out, nil
}

// plainRows says whether the spec is that of NewMRI: one coil, rows that are drawn.
func (sp Spec) plainRows() bool {
	for _, key := range []string{"mask", "coils", "centred", "phase"} {
		if sp.Get(key) != "" {
			return false
		}
	}
	return true
}

func buildMRI(sp Spec, s Shape) (Linear, error) {
	if sp.plainRows() {
		return NewMRI(s, sp.float("accel"), sp.float("center"), sp.seed())
	}
	if want := sp.sceneChannels(); s.C != want {
		return nil, fmt.Errorf("a scene of %d channels; want %d", s.C, want)
	}
	mask, err := sp.Places(s)
	if err != nil {
		return nil, err
	}
	maps, _ := sp.Content("coils")
	return NewSENSE(s, maps, mask, sp.Get("centred") == "true")
}

// sceneChannels is 2 for complex scenes.
func (sp Spec) sceneChannels() int {
	if sp.Get("phase") == "free" {
		return 2
	}
	return 1
}

// Complex says whether the scene is complex, with a channel for its real and one for its
// imaginary part.
func (sp Spec) Complex() bool { return sp.sceneChannels() == 2 }

// settleMRI takes k-space on its whole grid, coils x H x W complex numbers, to the places
// that were measured, and finds these, the middle, the coils' maps and the phase where
// they are not given.
func settleMRI(m Measurement) (Measurement, []string, error) {
	sp := m.Spec
	if sp.plainRows() {
		return m, nil, settledRows(m)
	}
	if a, err := sp.Build(m.Scene); err == nil && m.Y.Shape == a.Codomain() {
		return m, nil, nil
	}
	if err := checkGrid(m); err != nil {
		return m, nil, err
	}
	y := m.Y
	scene := Shape{sp.sceneChannels(), y.H, y.W}
	if m.Scene.Len() > 0 && m.Scene != scene {
		return m, nil, fmt.Errorf("k-space of %dx%d for a scene of %v; want one of %v", y.H, y.W, m.Scene, scene)
	}
	m.Scene = scene
	var notes []string
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }

	g := grid{y: y, centred: sp.Get("centred") == "true"}
	if sp.Get("centred") == "" {
		g.centred = lowInTheMiddle(y)
		sp = sp.with("centred", strconv.FormatBool(g.centred))
		where := "at the corner"
		if g.centred {
			where = "in the middle"
		}
		note("frequency 0 is %s: centred=%v", where, g.centred)
	}
	seen := nonzero(y)
	if sp.Get("mask") == "detect" {
		mask := NewImage(Shape{1, y.H, y.W})
		for i, v := range seen {
			if v {
				mask.Pix[i] = 1
			}
		}
		sp = sp.WithContent("mask", mask)
	}
	mask, err := sp.Places(scene)
	if err != nil {
		return m, nil, err
	}
	if err := checkMask(mask, seen, y); err != nil {
		return m, nil, err
	}
	g.mask = mask
	count := 0
	for _, v := range mask {
		if v {
			count++
		}
	}
	note("%d of %d places of k-space were measured, %.3g%%, by %s", count, len(mask), 100*float64(count)/float64(len(mask)), plural(g.coils(), "coil"))

	if sp, err = g.settleCoils(sp, note); err != nil {
		return m, nil, err
	}
	m.Spec = sp
	m.Y, m.Weights = pack(y, mask), packWeights(m.Weights, y.Shape, mask)
	return m, notes, nil
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// settleCoils finds the maps and the phase that the spec leaves open.
func (g grid) settleCoils(sp Spec, note func(format string, args ...any)) (Spec, error) {
	maps, given := sp.Content("coils")
	switch {
	case given && (maps.C != 2*g.coils() || maps.H != g.y.H || maps.W != g.y.W):
		return sp, fmt.Errorf("coil maps of %d x %d x %d for k-space of %d x %d x %d; want the same", maps.C/2, maps.H, maps.W, g.coils(), g.y.H, g.y.W)
	case !given && sp.Get("coils") == "" && g.coils() > 1:
		return sp, fmt.Errorf("k-space of %d coils; want coils=FILE, their maps, or coils=estimate", g.coils())
	case !given && sp.Get("coils") == "estimate" && g.coils() > 1:
		var err error
		if maps, err = EstimateCoils(g.y, g.mask, g.centred); err != nil {
			return sp, err
		}
		sp = sp.WithContent("coils", maps)
		note("the coils' maps were estimated from the middle of k-space; the scene's smooth phase is in them")
		if sp.Get("phase") == "" || sp.Get("phase") == "smooth" {
			return sp.with("phase", "none"), nil
		}
	}
	switch phase := sp.Get("phase"); phase {
	case "none", "free":
		if sp.Get("coils") == "estimate" && g.coils() == 1 { // nothing to estimate
			return sp.without("coils"), nil
		}
		return sp, nil
	default:
		turned, needed, err := g.withPhase(maps)
		if err != nil && phase == "" {
			return sp.with("phase", "none"), nil // nothing to find it by
		}
		if err != nil {
			return sp, err
		}
		sp = sp.with("phase", "none")
		if !needed && phase == "" {
			return sp, nil
		}
		if sp.Get("coils") == "" {
			sp = sp.with("coils", "estimate")
		}
		note("the scene has a smooth phase, taken from the middle of k-space: it is restored without")
		return sp.WithContent("coils", turned), nil
	}
}

// settledRows refuses a layout that the rows which lpn draws do not have.
func settledRows(m Measurement) error {
	a, err := m.Spec.Build(m.Scene)
	if err != nil {
		return err
	}
	want, y := a.Codomain(), m.Y.Shape
	if y == want || y.H == 1 && y.C == 1 && y.W == want.Len() {
		return nil
	}
	return fmt.Errorf("k-space of %v numbers; want %v, or mask=FILE or mask=detect for measurements of one's own", y, want)
}

// checkGrid refuses by name what is no k-space on its whole grid.
func checkGrid(m Measurement) error {
	y := m.Y
	const mostCoils = 256
	switch {
	case y.C%2 != 0:
		return fmt.Errorf("k-space of %v real numbers; want complex ones, height x width or coils x height x width", y.Shape)
	case y.W <= 64 && y.C/2 > y.W && y.H > y.W:
		return fmt.Errorf("k-space of %d x %d x %d numbers, the coils last; want coils x height x width (numpy: np.moveaxis(y, -1, 0))", y.C/2, y.H, y.W)
	case y.C/2 > mostCoils:
		return fmt.Errorf("k-space of %d coils; want at most %d, coils x height x width", y.C/2, mostCoils)
	case y.H == 1:
		return fmt.Errorf("k-space of %v numbers; want its whole grid, coils x height x width, zero where nothing was measured", y.Shape)
	}
	maps, have := m.Spec.Content("coils")
	if have && maps.H != maps.W && maps.H == y.W && maps.W == y.H {
		return fmt.Errorf("k-space of %dx%d is transposed: the coil maps are %dx%d; turn one of them (numpy: y.swapaxes(-1, -2))", y.H, y.W, maps.H, maps.W)
	}
	return nil
}

// nonzero are the places at which any coil has a number other than 0.
func nonzero(y Image) []bool {
	out := make([]bool, y.H*y.W)
	for i, v := range y.Pix {
		if v != 0 {
			out[i%len(out)] = true
		}
	}
	return out
}

// checkMask refuses a mask that says measured where k-space is 0, or leaves out much of
// what it has, and names the turn that would fit.
func checkMask(mask, seen []bool, y Image) error {
	wrong := func(mask []bool) float64 {
		bad, all := 0, 0
		for i, v := range mask {
			if v {
				all++
				if !seen[i] {
					bad++
				}
			}
		}
		return float64(bad) / float64(max(all, 1))
	}
	const few = 0.02
	if wrong(mask) <= few {
		return nil
	}
	h, w := y.H, y.W
	turned := make([]bool, len(mask))
	for i, v := range mask {
		turned[(i/w+h/2)%h*w+(i%w+w/2)%w] = v
	}
	hint := ""
	if wrong(turned) <= few {
		hint = ": shifted by half it fits (numpy: np.fft.fftshift(mask))"
	} else if h == w {
		for i, v := range mask {
			turned[i%w*w+i/w] = v
		}
		if wrong(turned) <= few {
			hint = ": transposed it fits (numpy: mask.T)"
		}
	}
	return fmt.Errorf("k-space is 0 at %.3g%% of the places that the mask says were measured%s", 100*wrong(mask), hint)
}

// lowInTheMiddle reports whether k-space has more energy around its middle than around
// its corner.
func lowInTheMiddle(y Image) bool {
	h, w := y.H, y.W
	near := func(i, n int) float64 { return float64(min(i, n-i)) / float64(n) } // to the corner
	corner, middle := 0.0, 0.0
	for i, v := range y.Pix {
		p := i % (h * w)
		a, b := near(p/w, h), near(p%w, w)
		e := float64(v) * float64(v)
		if a < 1./16 && b < 1./16 {
			corner += e
		}
		if a > 7./16 && b > 7./16 {
			middle += e
		}
	}
	return middle > corner
}

// pack keeps the places of a mask, 2 coils x 1 x places.
func pack(y Image, mask []bool) Image {
	n := len(mask)
	var pix []float32
	for i, v := range y.Pix {
		if mask[i%n] {
			pix = append(pix, v)
		}
	}
	return Image{Shape{y.C, 1, len(pix) / y.C}, pix}
}

// packWeights packs weights likewise, where there are any.
func packWeights(w []float32, s Shape, mask []bool) []float32 {
	if w == nil {
		return nil
	}
	return pack(Image{s, w}, mask).Pix
}
