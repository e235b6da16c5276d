package train

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// A Check describes a set of pictures for training, and its flaws.
type Check struct {
	// Pictures is the number of pictures, Kept the number that the training uses.
	Pictures int `json:"pictures"`
	Kept     int `json:"kept"`
	// Channels and Range are those of the set; Colour of Looked pictures are in colour.
	Channels int   `json:"channels"`
	Range    Range `json:"range"`
	Colour   int   `json:"colour"`
	Looked   int   `json:"looked"`
	// Smallest and Largest are the sizes of the pictures by their area, Pixels the sum.
	Smallest operators.Shape `json:"smallest"`
	Largest  operators.Shape `json:"largest"`
	Pixels   int64           `json:"pixels"`
	// Noise is the median of the deviations of white noise that were estimated.
	Noise float64 `json:"noise"`
	// Findings has one entry for each kind of flaw.
	Findings []Finding `json:"findings"`
	// Picture has the flaws of each picture that was examined.
	Picture []Verdict `json:"-"`
}

// A Finding is a flaw of some of the pictures.
type Finding struct {
	// Kind is one of the constants Flaw....
	Kind string `json:"kind"`
	// Count is the number of pictures with the flaw, Example the first of them.
	Count   int    `json:"count"`
	Example string `json:"example"`
	// Done says what was done about it, or what to do.
	Done string `json:"done"`
}

// Kinds of findings.
const (
	FlawUnreadable = "unreadable"
	FlawTiny       = "tiny"
	FlawDuplicate  = "duplicate"
	FlawFlat       = "flat"
	FlawClipped    = "clipped"
	FlawNoisy      = "noisy"
	FlawCompressed = "JPEG"
)

// A Verdict has the flaws of one picture: its index, and the measure of each kind of
// flaw in words.
type Verdict struct {
	Index    int
	Name     string
	Findings map[string]string
}

// String names the flaws, such as "noisy 5.1/255, JPEG quality 60"; "fine" without any.
func (v Verdict) String() string {
	var parts []string
	for _, r := range remedies {
		if measure, found := v.Findings[r.kind]; found {
			parts = append(parts, strings.TrimSpace(r.kind+" "+measure))
		}
	}
	if len(parts) == 0 {
		return "fine"
	}
	return strings.Join(parts, ", ")
}

var remedies = []struct{ kind, done string }{
	{FlawUnreadable, "left out"},
	{FlawTiny, "left out: smaller than a patch"},
	{FlawDuplicate, "left out: the same samples as another"},
	{FlawFlat, "left out: nothing to learn from"},
	{FlawClipped, "kept: the prior learns to make flat blacks and whites"},
	{FlawNoisy, "kept: the prior learns the noise; shrink them by 2, or train with --noisy"},
	{FlawCompressed, "kept: the prior learns blocks; better originals, or shrink them by 2"},
}

const (
	flatBelow    = 1. / 255 // deviation of the samples
	clippedAbove = 0.1      // share of the samples at both ends
	noisyAbove   = 2.5 / 255
	qualityBelow = 90
	blockyAbove  = 1.25 // jumps across the edges of blocks of 8, relative to others
)

// Check looks at up to most pictures, evenly spread, or at all of them if most is 0,
// and returns the set without the useless ones - duplicates and flat ones - and its
// findings. It decodes pictures that are not in memory.
func (m *Images) Check(most int) (*Images, *Check, error) {
	c := &Check{Pictures: len(m.list), Channels: m.channels, Range: m.scale, Colour: m.colour, Looked: m.looked}
	step := 1
	if most > 0 {
		step = max(1, (len(m.list)+most-1)/most)
	}
	var at []int
	for i := 0; i < len(m.list); i += step {
		at = append(at, i)
	}
	type look struct {
		sum   [sha256.Size]byte
		shape operators.Shape
		noise float64
		found map[string]string
		err   error
	}
	looks := make([]look, len(at))
	inParallel(len(at), func(k int) {
		l := &looks[k]
		x, err := m.Image(at[k])
		if err != nil {
			l.err = err
			return
		}
		l.shape, l.sum = x.Shape, digest(x)
		l.noise, l.found = examine(x, m.list[at[k]].quality)
	})
	counts := map[string]int{}
	examples := map[string]string{}
	note := func(kind, name string) {
		if counts[kind]++; counts[kind] == 1 {
			examples[kind] = name
		}
	}
	for _, s := range m.Skipped() {
		c.Pictures++
		if strings.Contains(s.Reason, "smaller than a patch") {
			note(FlawTiny, s.Path)
		} else {
			note(FlawUnreadable, s.Path)
		}
	}
	first := map[[sha256.Size]byte]string{}
	drop := map[int]bool{}
	var levels []float64
	for k, l := range looks {
		i := at[k]
		name := m.list[i].name
		if l.err != nil {
			m.skipped.addOnce(name, l.err)
			note(FlawUnreadable, name)
			drop[i] = true
			continue
		}
		if other, known := first[l.sum]; known {
			l.found = map[string]string{FlawDuplicate: "of " + filepath.Base(other)}
		} else {
			first[l.sum] = name
		}
		if c.Smallest.Len() == 0 || l.shape.H*l.shape.W < c.Smallest.H*c.Smallest.W {
			c.Smallest = l.shape
		}
		if l.shape.H*l.shape.W > c.Largest.H*c.Largest.W {
			c.Largest = l.shape
		}
		c.Pixels += int64(l.shape.H) * int64(l.shape.W)
		levels = append(levels, l.noise)
		for kind := range l.found {
			note(kind, name)
			if kind == FlawDuplicate || kind == FlawFlat {
				drop[i] = true
			}
		}
		c.Picture = append(c.Picture, Verdict{i, name, l.found})
	}
	if slices.Sort(levels); len(levels) > 0 {
		c.Noise = levels[len(levels)/2]
	}
	for _, r := range remedies {
		if counts[r.kind] > 0 {
			c.Findings = append(c.Findings, Finding{r.kind, counts[r.kind], examples[r.kind], r.done})
		}
	}
	out := *m
	out.list = nil
	for i, p := range m.list {
		if !drop[i] {
			out.list = append(out.list, p)
		}
	}
	if c.Kept = len(out.list); c.Kept == 0 {
		return nil, c, fmt.Errorf("train: none of %d pictures is left: %s (%s)", c.Pictures, c.Findings[len(c.Findings)-1].Kind, c.Findings[len(c.Findings)-1].Example)
	}
	return &out, c, nil
}

// digest is the same for equal pictures.
func digest(x operators.Image) [sha256.Size]byte {
	b := make([]byte, 0, 12+4*len(x.Pix))
	for _, n := range []int{x.C, x.H, x.W} {
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	for _, v := range x.Pix {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return sha256.Sum256(b)
}

// examine says what is wrong with a picture, and the level of its noise. quality is that
// of a JPEG file, 0 for others.
func examine(x operators.Image, quality int) (level float64, found map[string]string) {
	found = map[string]string{}
	var sum, squares float64
	ends := [2]int{}
	for _, v := range x.Pix {
		sum += float64(v)
		squares += float64(v) * float64(v)
		switch {
		case v <= 0:
			ends[0]++
		case v >= 1:
			ends[1]++
		}
	}
	n := float64(len(x.Pix))
	if dev := math.Sqrt(max(0, squares/n-sum*sum/n/n)); dev < flatBelow {
		found[FlawFlat] = ""
		return 0, found
	}
	if share := float64(ends[0]+ends[1]) / n; share > clippedAbove {
		found[FlawClipped] = fmt.Sprintf("%.0f%%", 100*share)
	}
	if level = noise.FindWhite(x); level > noisyAbove {
		found[FlawNoisy] = fmt.Sprintf("%.2g/255", 255*level)
	}
	if quality > 0 && quality < qualityBelow {
		found[FlawCompressed] = fmt.Sprintf("quality %d", quality)
	} else if b := blockiness(x); quality == 0 && b > blockyAbove {
		found[FlawCompressed] = fmt.Sprintf("blocks, +%.0f%%", 100*(b-1))
	}
	return level, found
}

// blockiness is how much larger third differences are, in the mean, across the edges of
// blocks of 8 pixels than elsewhere, in the first plane; 1 for pictures that were never
// JPEG files.
func blockiness(x operators.Image) float64 {
	var sum [8]float64
	p := x.Plane(0)
	for y := range x.H {
		for c := 1; c+2 < x.W; c++ {
			r := p[y*x.W+c-1:]
			sum[c%8] += math.Abs(float64(r[0] - 3*r[1] + 3*r[2] - r[3]))
		}
	}
	for y := 1; y+2 < x.H; y++ {
		for c := range x.W {
			at := func(k int) float64 { return float64(p[(y-1+k)*x.W+c]) }
			sum[y%8] += math.Abs(at(0) - 3*at(1) + 3*at(2) - at(3))
		}
	}
	others := slices.Clone(sum[:7])
	slices.Sort(others)
	if others[3] == 0 {
		return 1
	}
	return sum[7] / others[3]
}
