package main

import (
	"encoding/binary"
	"fmt"
	"image"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/operators"
)

// This file compares whole denoising, of a picture whose white noise is known to be 25/255,
// by the built-in prior with other denoisers: seconds and PSNR.

const denoiseSigma = 25.0 / 255

// A method is another denoiser. strengths are tried on a picture of ours, for the best
// PSNR, in units of sigma; a method without any has none to choose. A network comes with
// random weights: the times are its own, and the PSNR is the published one, the mean over
// Set12 in gray and over CBSD68 in colour.
type method struct {
	name                        string
	label                       string
	strengths                   []float64
	publishedGray, publishedRGB float64
}

var methods = []method{
	{name: "DnCNN", label: "DnCNN-shaped, PyTorch", publishedGray: 30.44, publishedRGB: 31.23},
	{name: "DRUNet", label: "DRUNet-shaped, PyTorch", publishedGray: 30.94, publishedRGB: 31.69},
	{name: "BM3D", label: "BM3D (bm3d)"},
	{name: "OpenCV", label: "non-local means (OpenCV)", strengths: []float64{0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2}},
	{name: "NLM", label: "non-local means (scikit-image)", strengths: []float64{0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1}},
	{name: "TV", label: "TV (scikit-image)", strengths: []float64{0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1, 1.2}},
}

// A photo is a picture, planar in [0,1], with its noise.
type photo struct {
	shape        operators.Shape
	clean, noisy []float32
}

func newPhoto(s operators.Shape, clean []float32) photo {
	p := photo{s, clean, make([]float32, s.Len())}
	rng := rand.New(rand.NewPCG(25, 1))
	for i, v := range clean {
		p.noisy[i] = v + float32(denoiseSigma*rng.NormFloat64())
	}
	return p
}

// photoOf takes the h x w pixels at the top left of a picture, which is mirrored at its edges.
func photoOf(m image.Image, channels, h, w int) photo {
	s := operators.Shape{C: channels, H: h, W: w}
	x := make([]float32, s.Len())
	at := mirrored(m)
	for i := range h {
		for j := range w {
			c := at(i, j)
			if channels == 3 {
				for k, v := range [3]uint8{c.R, c.G, c.B} {
					x[(k*h+i)*w+j] = float32(v) / 255
				}
			} else {
				x[i*w+j] = (0.299*float32(c.R) + 0.587*float32(c.G) + 0.114*float32(c.B)) / 255
			}
		}
	}
	return newPhoto(s, x)
}

// psnr is that of x, clamped to [0,1], in dB.
func (p photo) psnr(x []float32) float64 {
	var sum float64
	for i, v := range x {
		d := float64(min(max(v, 0), 1) - p.clean[i])
		sum += d * d
	}
	return 10 * math.Log10(float64(len(x))/sum)
}

// meanPSNR is the mean over pictures of what denoise makes of them.
func meanPSNR(all []photo, denoise func(photo) ([]float32, error)) (float64, error) {
	var sum float64
	for _, in := range all {
		x, err := denoise(in)
		if err != nil {
			return 0, err
		}
		sum += in.psnr(x)
	}
	return sum / float64(len(all)), nil
}

// denoised is what a method makes of the picture, which is then ready to be run again.
func (m method) denoised(p *peer, in photo, strength float64, threads int) ([]float32, reply, error) {
	dir, err := os.MkdirTemp("", "peerbench")
	if err != nil {
		return nil, reply{}, err
	}
	defer os.RemoveAll(dir)
	from, to := filepath.Join(dir, "y.bin"), filepath.Join(dir, "x.bin")
	raw, err := binary.Append(nil, binary.LittleEndian, in.noisy)
	if err == nil {
		err = os.WriteFile(from, raw, 0o666)
	}
	if err != nil {
		return nil, reply{}, err
	}
	set, err := p.ask(request{"do": "setup", "kind": "denoise", "method": m.name, "threads": threads, "file": from, "out": to,
		"channels": in.shape.C, "h": in.shape.H, "w": in.shape.W, "sigma": denoiseSigma, "strength": strength})
	if err != nil {
		return nil, set, err
	}
	if raw, err = os.ReadFile(to); err != nil {
		return nil, set, err
	}
	out := make([]float32, in.shape.Len())
	_, err = binary.Decode(raw, binary.LittleEndian, out)
	return out, set, err
}

// tuned is the strength with the best PSNR on the picture.
func (m method) tuned(p *peer, on photo, threads int) (float64, error) {
	var best, at float64
	for _, s := range m.strengths {
		x, _, err := m.denoised(p, on, s, threads)
		if err != nil {
			return 0, err
		}
		if db := on.psnr(x); db > best {
			best, at = db, s
		}
	}
	return at, nil
}

// A comparison is what -denoise asks for: a picture of h x w pixels to be timed, PSNR on
// pictures of a folder.
type comparison struct {
	h, w, channels  int
	folder          string // of PNG files; "" takes the picture that is timed
	rounds, threads int
}

// crop is the side of the square on which the others are timed when the picture is larger.
const crop = 256

// denoiseMain prints seconds and PSNR of the prior and of every method.
func denoiseMain(w io.Writer, interpreters []string, c comparison) error {
	p, err := startPeer(interpreters)
	if err != nil {
		return err
	}
	defer p.close()
	fmt.Fprintln(w, about(p, c.threads))
	m, err := readPicture(filepath.FromSlash(filePicture))
	if err != nil {
		return err
	}
	whole, tuning := photoOf(m, c.channels, c.h, c.w), photoOf(m, c.channels, min(c.h, crop), min(c.w, crop))
	theirs, scale := whole, 1.0
	if c.h*c.w > crop*crop {
		theirs = photoOf(m, c.channels, crop, crop)
		scale = float64(c.h) * float64(c.w) / (crop * crop)
	}
	var judged []photo // nil: the one that is timed
	if c.folder != "" {
		if judged, err = photosOf(c.folder, c.channels); err != nil {
			return err
		}
	}
	prior := priors.For(c.channels, denoiseSigma)
	net, err := prior.Network()
	if err != nil {
		return err
	}
	ours, err := denoiser(net, whole, c.threads)
	if err != nil {
		return err
	}
	seen := judged
	if seen == nil {
		seen = []photo{theirs}
	}
	quality, err := meanPSNR(seen, func(in photo) ([]float32, error) {
		b, err := net.On(in.shape, lpn.Threads(c.threads))
		if err != nil {
			return nil, err
		}
		x := make([]float32, in.shape.Len())
		b.Eval(x, in.noisy)
		return x, nil
	})
	if err != nil {
		return err
	}
	if _, err := ours(1); err != nil { // warm up
		return err
	}
	var all []float64
	results := make([]result, len(methods))
	for i, m := range methods {
		fmt.Fprintln(os.Stderr, "peerbench:", m.label)
		results[i] = m.measure(p, tuning, theirs, judged, c, scale, func() error {
			if scale > 1 && len(all) == c.rounds { // it takes long
				return nil
			}
			ms, err := ours(1)
			all = append(all, ms)
			return err
		})
	}
	own := median(all)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "s\tdB\ttimes ours\t")
	fmt.Fprintf(t, "%.3g\t%.2f\t1\t  lpn, %s\n", own/1e3, quality, prior.Name)
	for _, r := range results {
		if r.err != nil {
			fmt.Fprintf(t, "-\t-\t-\t  %s: %v\n", r.label, r.err)
			continue
		}
		fmt.Fprintf(t, "%.3g\t%s\t%.1f\t  %s\n", r.ms/1e3, r.db, r.ms/own, r.label)
	}
	if scale > 1 {
		fmt.Fprintf(t, "The others ran on %d x %d pixels; their seconds are scaled to %d x %d.\n", crop, crop, c.w, c.h)
	}
	return t.Flush()
}

// A result is what was measured of a method.
type result struct {
	label string // with what was chosen
	ms    float64
	db    string
	err   error
}

// measure times the method on a picture, in turn with ours, and judges it on others, or on that
// picture if there are none. scale is what the time is multiplied with.
func (m method) measure(p *peer, tuning, on photo, judged []photo, c comparison, scale float64, ours func() error) result {
	r := result{label: m.label}
	strength, err := m.tuned(p, tuning, c.threads)
	if err != nil {
		r.err = err
		return r
	}
	if strength > 0 {
		r.label += fmt.Sprintf(", strength %.3g sigma", strength)
	}
	published := [2]float64{m.publishedGray, m.publishedRGB}[c.channels/2]
	var db float64
	if published == 0 && len(judged) > 0 {
		db, r.err = meanPSNR(judged, func(in photo) ([]float32, error) {
			x, _, err := m.denoised(p, in, strength, c.threads)
			return x, err
		})
		if r.err != nil {
			return r
		}
	}
	x, set, err := m.denoised(p, on, strength, c.threads)
	if err != nil {
		r.err = err
		return r
	}
	switch {
	case published > 0:
		r.db = fmt.Sprintf("%.2f published", published)
	case len(judged) == 0:
		r.db = fmt.Sprintf("%.2f", on.psnr(x))
	default:
		r.db = fmt.Sprintf("%.2f", db)
	}
	ways := p.contest(nil, set, nil)
	times := make([][]float64, len(ways.rivals))
	for range c.rounds {
		if r.err = ours(); r.err != nil {
			return r
		}
		for i, way := range ways.rivals {
			ms, err := way.run(1)
			if err != nil {
				r.err = err
				return r
			}
			times[i] = append(times[i], ms)
		}
	}
	r.ms = math.Inf(1)
	for i, way := range ways.rivals {
		ms := scale * median(times[i])
		r.ms = min(r.ms, ms)
		if way.how != "" {
			r.label += fmt.Sprintf(", %s %.4g s", way.how, ms/1e3)
		}
	}
	if ways.note != "" {
		r.label += " (" + ways.note + ")"
	}
	return r
}

// denoiser evaluates the network on a picture.
func denoiser(net *lpn.Network, on photo, threads int) (side, error) {
	b, err := net.On(on.shape, lpn.Threads(threads))
	if err != nil {
		return nil, err
	}
	x := make([]float32, on.shape.Len())
	return timed(func() { b.Eval(x, on.noisy) }), nil
}

// photosOf reads the PNG files of a folder, whole.
func photosOf(folder string, channels int) ([]photo, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*.png"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s: no PNG files", folder)
	}
	var all []photo
	for _, path := range paths {
		m, err := readPicture(path)
		if err != nil {
			return nil, err
		}
		all = append(all, photoOf(m, channels, m.Bounds().Dy(), m.Bounds().Dx()))
	}
	return all, nil
}
