package operators

import (
	"fmt"
	"math"
	"strconv"
)

// lengthField is a key for a length.
func lengthField(key string) field { return field{key: key, kind: number, hi: 1e9, open: true} }

func init() {
	register(&family{
		name: "tomo", place: 6, integrals: true,
		forms: []*form{{
			fields: []field{
				{key: "angles", kind: count, lo: 1, hi: 1 << 14, need: true, files: true, check: func(m Image) error {
					_, err := angleList(m)
					return err
				}},
				{key: "detectors", kind: count, lo: 1, hi: 1 << 15},
				{key: "span", kind: number, hi: 360, open: true},
				lengthField("spacing"),
				{key: "offset", kind: number, lo: -1e9, hi: 1e9},
				{key: "centre", kind: number, lo: -1e6, hi: 1e6, words: []string{"auto"}},
				{key: "geometry", kind: choice, choices: beamNames},
				lengthField("source"),
				{key: "detector", kind: number, hi: 1e9},
				lengthField("pixel"),
			},
			complete: completeTomo,
		}},
		build: func(sp Spec, s Shape) (Linear, error) {
			g, err := sp.geometry(s)
			if err != nil {
				return nil, err
			}
			return NewTomograph(s, g)
		},
		settle: settleTomo,
		noise:  tomoNoise,
	})
}

// completeTomo checks what goes together and fills in the span.
func completeTomo(v values) error {
	_, span := v["span"]
	listed := (field{files: true}).names(v["angles"])
	_, offset := v["offset"]
	centre, centred := v["centre"]
	_, source := v["source"]
	_, detector := v["detector"]
	fan := v["geometry"] == FanFlat.String() || v["geometry"] == FanCurved.String()
	switch {
	case listed && span:
		return fmt.Errorf("span goes with a number of angles; %s lists them", clip(v["angles"]))
	case offset && centred:
		return fmt.Errorf("offset and centre=%s both say where the axis is; want one of them", centre)
	case fan && !(source && detector):
		return fmt.Errorf("geometry=%s wants source=D and detector=D, their distances from the axis", v["geometry"])
	case !fan && (source || detector):
		return fmt.Errorf("source and detector go with geometry=fan-flat or fan-curved")
	}
	if !listed && !span && v["angles"] != "" {
		v["span"] = "180"
		if fan {
			v["span"] = "360"
		}
	}
	return nil
}

// angleList are the numbers of a file, of one row or one column.
func angleList(m Image) ([]float64, error) {
	if m.C != 1 || m.H != 1 && m.W != 1 || m.Len() == 0 || m.Len() > 1<<14 {
		return nil, fmt.Errorf("a list of angles of %v numbers; want one row or column of at most %d", m.Shape, 1<<14)
	}
	out := make([]float64, len(m.Pix))
	for i, v := range m.Pix {
		if out[i] = float64(v); math.IsNaN(out[i]) || math.IsInf(out[i], 0) {
			return nil, fmt.Errorf("angle %d is %v; want degrees", i, v)
		}
	}
	return out, nil
}

// geometry is what the spec says of scenes of shape s, complete.
func (sp Spec) geometry(s Shape) (Geometry, error) {
	if sp.Get("centre") == "auto" {
		return Geometry{}, fmt.Errorf("centre=auto wants a measurement that tells it")
	}
	var g Geometry
	list, listed := sp.Content("angles")
	equal := !listed && sp.Get("geometry") == "" && sp.Get("spacing") == "" && sp.Get("offset") == "" && sp.Get("centre") == "" && sp.Get("pixel") == ""
	switch {
	case equal:
		return equalGeometry(s, sp.int("angles"), sp.int("detectors"), sp.float("span"))
	case listed:
		angles, err := angleList(list)
		if err != nil {
			return g, err
		}
		g.Angles = angles
	default:
		g.Angles = equalAngles(sp.int("angles"), sp.float("span"))
	}
	for i, name := range beamNames {
		if sp.Get("geometry") == name {
			g.Beam = Beam(i)
		}
	}
	g.Detectors, g.Spacing, g.Offset = sp.int("detectors"), sp.float("spacing"), sp.float("offset")
	g.Source, g.Detector, g.Pixel = sp.float("source"), sp.float("detector"), sp.float("pixel")
	if centre := sp.Get("centre"); centre != "" {
		n := g.Detectors
		if n == 0 {
			return g, fmt.Errorf("centre=%s counts detectors; want detectors=N, too", centre)
		}
		whole, err := g.complete(s) // its spacing
		if err != nil {
			return g, err
		}
		g.Offset = whole.Spacing * (float64(n/2) - sp.float("centre"))
	}
	return g.complete(s)
}

// settleTomo checks that the numbers are angles x detectors, takes the number of
// detectors from them, and the centre where it is to be found.
func settleTomo(m Measurement) (Measurement, []string, error) {
	views := m.Spec.int("angles")
	if list, listed := m.Spec.Content("angles"); listed {
		views = list.Len()
	}
	y := m.Y.Shape
	flat := y.H == 1 && y.C == 1 && views != 1
	detectors := m.Spec.int("detectors")
	if detectors == 0 && flat && y.W%views == 0 { // a scene fixes them, as with those that degrade made
		detectors = y.W / views
	}
	want := fmt.Sprintf("%d angles x %d detectors", views, detectors)
	if detectors == 0 {
		want = fmt.Sprintf("%d angles x detectors", views)
	}
	transposed := func() error {
		return fmt.Errorf("the sinogram is transposed: it is %dx%d where %s are wanted, a row for each angle; turn it (numpy: y.T)", y.H, y.W, want)
	}
	switch {
	case flat && y.W == views*detectors:
	case y.H == views && (detectors == 0 || y.W == detectors):
		if y.H == y.W && looksTransposed(m.Y, m.Spec.Get("geometry")) {
			return m, nil, fmt.Errorf("the sinogram is transposed: each of its %d columns, and not each row, has the same sum, as every view of a scene has; turn it (numpy: y.T)", y.W)
		}
	case y.W == views && (detectors == 0 || y.H == detectors):
		return m, nil, transposed()
	default:
		return m, nil, fmt.Errorf("a sinogram of %dx%d numbers; want %s, a row for each angle", y.H, y.W, want)
	}
	var notes []string
	if !flat && m.Spec.Get("detectors") == "" {
		m.Spec = m.Spec.with("detectors", strconv.Itoa(y.W))
	}
	if m.Scene.Len() == 0 {
		scene, err := tomoScene(m.Spec, y)
		if err != nil {
			return m, nil, err
		}
		m.Scene = scene
		notes = append(notes, fmt.Sprintf("a scene of %dx%d pixels, what the detectors cover", scene.H, scene.W))
		if cutOff(m.Y) {
			notes = append(notes, "the object reaches beyond the detectors: a scene that has room for all of it comes out better (--scene HxW)")
		}
	}
	if m.Spec.Get("centre") == "auto" {
		centre, err := findCentre(m)
		if err != nil {
			return m, nil, err
		}
		text := strconv.FormatFloat(centre, 'f', 2, 64)
		m.Spec = m.Spec.with("centre", text)
		notes = append(notes, fmt.Sprintf("the axis of rotation is seen by detector %s of 0 to %d", text, m.Y.W-1))
	}
	return m, notes, nil
}

// tomoScene is the largest square that the detectors cover, as wide as they are.
func tomoScene(sp Spec, y Shape) (Shape, error) {
	// A scene of one pixel lies within every fan.
	if sp.Get("centre") == "auto" {
		sp = sp.with("centre", formatNumber(float64(y.W/2)))
	}
	g, err := sp.geometry(Shape{1, 1, 1})
	if err != nil {
		return Shape{}, err
	}
	side := int(math.Round(float64(y.W) * g.Spacing / g.magnification() / g.Pixel))
	if g.Beam != Parallel { // the rays at the ends lean: their distance from the axis
		half := float64(y.W) * g.Spacing / 2 / (g.Source + g.Detector)
		gamma := half
		if g.Beam == FanFlat {
			gamma = math.Atan(half)
		}
		side = int(math.Round(2 * g.Source * math.Sin(min(gamma, math.Pi/2)) / g.Pixel))
	}
	if side < 1 || side > 1<<14 {
		return Shape{}, fmt.Errorf("the detectors cover %d pixels; want a scene of 1 to %d: check spacing and pixel", side, 1<<14)
	}
	return Shape{y.C, side, side}, nil
}

// looksTransposed reports whether the columns of a square sinogram have equal sums
// and its rows do not. All views of a parallel beam that see the whole scene have
// the same sum, its integral; those of a fan nearly.
func looksTransposed(y Image, beam string) bool {
	rows, cols := make([]float64, y.H), make([]float64, y.W)
	for i, v := range y.Plane(0) {
		rows[i/y.W] += float64(v)
		cols[i%y.W] += float64(v)
	}
	alike := 0.02
	if beam != "" && beam != Parallel.String() {
		alike = 0.1
	}
	return variation(cols) < alike && variation(rows) > 5*alike
}

// variation is the deviation of numbers over their mean.
func variation(v []float64) float64 {
	mean, sum := 0.0, 0.0
	for _, x := range v {
		mean += x / float64(len(v))
	}
	for _, x := range v {
		sum += (x - mean) * (x - mean) / float64(len(v))
	}
	return math.Sqrt(sum) / math.Abs(mean)
}
