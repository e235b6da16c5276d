package serve

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"net/http"
	"path"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/plot"
	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/lpn/explore"
	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
	"github.com/lpn-imaging/lpn/solvers"
)

// A Question is about a prior and a picture.
type Question struct {
	Picture string `json:"picture"`
	// Window is the part of the picture to use; zero: all of it.
	Window Window `json:"window"`
	// Prior is a name. Default: the built-in one that fits the channels and 25/255.
	Prior string `json:"prior,omitempty"`
}

// mostExplored are the most pixels that questions are asked about: an inversion takes some
// sixty evaluations of the network.
const mostExplored = 512 * 512

// open finds the prior and the picture of a question.
func (s *Server) open(q Question) (explore.Prior, operators.Image, *item, error) {
	it, err := s.pictureOf(q.Picture)
	if err != nil {
		return explore.Prior{}, operators.Image{}, nil, err
	}
	p, wants, err := s.explored(q.Prior, it.picture.C)
	if err != nil {
		return p, operators.Image{}, nil, err
	}
	m := it.picture
	if wants == 1 && m.C == 3 {
		m = m.Luma()
	}
	if m.C != wants && wants != 1 {
		return p, m.Image, nil, bad("prior %s: it is for %d channels, the picture has %d", p.Name, wants, m.C)
	}
	x, err := q.Window.cut(m.Image, mostExplored)
	return p, x, it, err
}

// explored is a prior to ask, and the channels that it is for.
func (s *Server) explored(name string, channels int) (explore.Prior, int, error) {
	found := priors.For(channels, 25./255)
	var err error
	if name != "" {
		if found, err = s.prior(name); err != nil {
			return explore.Prior{}, 0, err
		}
	}
	net, err := found.Network()
	if err != nil {
		return explore.Prior{}, 0, err
	}
	return explore.Of(path.Base(found.Name), net), found.Channels, nil
}

// A Kept is a result that the server keeps, for requests of its figure or numbers.
type Kept struct {
	ID string `json:"id"`
	// Figure is its address: append ?format=svg, pdf, png, csv or npz.
	Figure string `json:"figure"`
}

// keepFigures keeps a result.
func (s *Server) keepFigures(o owner, name string, bytes int, numbers explore.Data, figures ...plot.Figure) (*item, Kept, error) {
	it := &item{owner: o, name: name, figures: figures, numbers: numbers, bytes: int64(bytes)}
	if err := s.items.put(it); err != nil {
		return nil, Kept{}, statusError{http.StatusRequestEntityTooLarge, err}
	}
	return it, Kept{it.id, "/api/v1/results/" + it.id + "/figure"}, nil
}

// ask decodes a question and answers it in the queue.
func ask[Q any](s *Server, w http.ResponseWriter, r *http.Request, f func(ctx context.Context, q Q, out *stream) (any, error)) {
	var q Q
	if err := decode(w, r, &q); err != nil {
		s.refuse(w, err)
		return
	}
	s.work(w, r, s.heavy, func(ctx context.Context, out *stream) (any, error) { return f(ctx, q, out) })
}

// told reports progress as events.
func told(out *stream) explore.Progress {
	return func(done, total int) {
		out.send("progress", struct {
			Done  int `json:"done"`
			Total int `json:"total"`
		}{done, total})
	}
}

func (s *Server) priorValue(w http.ResponseWriter, r *http.Request) {
	ask(s, w, r, func(ctx context.Context, q Question, out *stream) (any, error) {
		p, x, _, err := s.open(q)
		if err != nil {
			return nil, err
		}
		return explore.Value(ctx, p, x)
	})
}

// A MapQuestion asks where in a picture R is large.
type MapQuestion struct {
	Question
	// Smooth is the deviation in pixels of the smoothing. Default 1.5.
	Smooth *float64 `json:"smooth,omitempty"`
}

// A MapAnswer is a map with the picture of it.
type MapAnswer struct {
	explore.MapResult
	Kept
	Picture PictureInfo `json:"picture"`
	Window  Window      `json:"window"`
	// Low and High are the ends of the colours.
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

func (s *Server) priorMap(w http.ResponseWriter, r *http.Request) {
	ask(s, w, r, func(ctx context.Context, q MapQuestion, out *stream) (any, error) {
		p, x, it, err := s.open(q.Question)
		if err != nil {
			return nil, err
		}
		smooth := 1.5
		if q.Smooth != nil {
			smooth = *q.Smooth
		}
		m, err := explore.Map(ctx, p, x, smooth)
		if err != nil {
			return nil, err
		}
		a := MapAnswer{MapResult: m, Window: q.Window}
		if a.Window == (Window{}) {
			a.Window = Window{0, 0, x.W, x.H}
		}
		table := explore.DataOf(m)
		if _, a.Kept, err = s.keepFigures(ownerOf(r), figureName(it, "map", m.Prior), 12*len(m.Values)+4*x.Len(), table, plot.Map(m, x, it.name)); err != nil {
			return nil, err
		}
		pic := operators.NewImage(operators.Shape{C: 1, H: m.Height, W: m.Width})
		sorted := make([]float64, len(m.Values))
		for i, v := range m.Values {
			pic.Pix[i] = float32(v)
			sorted[i] = v
		}
		slices.Sort(sorted)
		k := len(sorted) / 200
		a.Low, a.High = sorted[k], sorted[len(sorted)-1-k]
		if !(a.High > a.Low) {
			a.High = a.Low + 1
		}
		shown := &item{owner: ownerOf(r), name: figureName(it, "map", m.Prior) + ".tiff",
			picture: &imageio.Picture{Image: pic, Bits: 32, Scale: 1, Format: "tiff"}, look: look{lo: a.Low, hi: a.High, table: &growing}}
		if err := s.items.put(shown); err != nil {
			return nil, err
		}
		a.Picture = shown.info()
		return a, nil
	})
}

// figureName is the name of a file, without extension.
func figureName(it *item, kind, prior string) string {
	name := kind + "-" + prior
	if it != nil {
		name = strings.TrimSuffix(it.name, path.Ext(it.name)) + "-" + name
	}
	return name
}

// A Change is a perturbation of a picture that grows.
type Change struct {
	// Perturb is noise, blur, mix, intensity, rotation or occlusion.
	Perturb string `json:"perturb"`
	Seed    uint64 `json:"seed,omitempty"`
	// With is the other picture of mix.
	With string `json:"with,omitempty"`
}

// perturbation is a change of pictures of x's shape, a window v of the other picture's.
func (s *Server) perturbation(c Change, v Window, x operators.Image) (explore.Perturbation, error) {
	var names []string
	for _, p := range explore.Perturbations() {
		names = append(names, p.Kind())
		if p.Kind() != c.Perturb {
			continue
		}
		switch p.(type) {
		case explore.Noise:
			return explore.Noise{Seed: c.Seed}, nil
		case explore.Mix:
			it, err := s.pictureOf(c.With)
			if err != nil {
				return nil, err
			}
			other, err := it.like(x, v)
			return explore.Mix{With: other}, err
		}
		return p, nil
	}
	return nil, bad("perturb: %q; want %s", c.Perturb, strings.Join(names, ", "))
}

// like is a window of an item's picture that x, a window of another, is compared with.
func (it *item) like(x operators.Image, v Window) (operators.Image, error) {
	m := it.picture
	if x.C == 1 {
		m = m.Luma()
	}
	part, err := v.cut(m.Image, mostExplored)
	if err == nil && part.Shape != x.Shape {
		err = bad("%s is %dx%d pixels of %d channels, the picture %dx%d of %d", it.name, part.W, part.H, part.C, x.W, x.H, x.C)
	}
	return part, err
}

// A PathQuestion asks for R of priors while a change of a picture grows.
type PathQuestion struct {
	Picture string   `json:"picture"`
	Window  Window   `json:"window"`
	Priors  []string `json:"priors"`
	Change
	// Levels of the change. Default: those of the perturbation.
	Levels []float64 `json:"levels,omitempty"`
}

// A PathAnswer has a path for each prior.
type PathAnswer struct {
	Kept
	Paths []explore.PathResult `json:"paths"`
}

func (s *Server) priorPath(w http.ResponseWriter, r *http.Request) {
	ask(s, w, r, func(ctx context.Context, q PathQuestion, out *stream) (any, error) {
		const mostPriors, mostLevels = 8, 200
		if len(q.Priors) == 0 {
			q.Priors = []string{""}
		}
		if len(q.Priors) > mostPriors || len(q.Levels) > mostLevels {
			return nil, bad("%d priors at %d levels; at most %d and %d", len(q.Priors), len(q.Levels), mostPriors, mostLevels)
		}
		var a PathAnswer
		var parts [][]explore.PathResult
		var it *item
		for k, name := range q.Priors {
			p, x, of, err := s.open(Question{q.Picture, q.Window, name})
			if err != nil {
				return nil, err
			}
			it = of
			by, err := s.perturbation(q.Change, q.Window, x)
			if err != nil {
				return nil, err
			}
			levels := q.Levels
			if len(levels) == 0 {
				levels = by.Levels()
			}
			for _, l := range levels {
				if err := by.Check(x.Shape, l); err != nil {
					return nil, err
				}
			}
			path, err := explore.Path(ctx, p, x, by, levels, func(done, total int) {
				told(out)(k*total+done, len(q.Priors)*total)
			})
			if err != nil {
				return nil, err
			}
			path.Picture = of.name
			a.Paths = append(a.Paths, path)
			parts = append(parts, []explore.PathResult{path})
		}
		var err error
		table := explore.DataOf(a.Paths...)
		_, a.Kept, err = s.keepFigures(ownerOf(r), figureName(it, "path-"+q.Perturb, a.Paths[0].Prior), 4096, table, plot.Paths(parts...))
		return a, err
	})
}

// A ChangedQuestion asks for a picture changed by a level.
type ChangedQuestion struct {
	Picture string `json:"picture"`
	Window  Window `json:"window"`
	Change
	Level float64 `json:"level"`
	Gray  bool    `json:"gray,omitempty"`
}

// changed answers with the picture at a level of a path.
func (s *Server) changed(w http.ResponseWriter, r *http.Request) {
	var q ChangedQuestion
	if err := decode(w, r, &q); err != nil {
		s.refuse(w, err)
		return
	}
	s.work(w, r, s.light, func(context.Context, *stream) (any, error) {
		it, err := s.pictureOf(q.Picture)
		if err != nil {
			return nil, err
		}
		p := it.picture
		if q.Gray {
			p = p.Luma()
		}
		x, err := q.Window.cut(p.Image, mostExplored)
		if err != nil {
			return nil, err
		}
		by, err := s.perturbation(q.Change, q.Window, x)
		if err != nil {
			return nil, err
		}
		if err := by.Check(x.Shape, q.Level); err != nil {
			return nil, err
		}
		m := operators.NewImage(x.Shape)
		by.Apply(m, x, q.Level)
		return s.pngAnswer(it.look.draw(m, everything, 1)), nil
	})
}

// pngAnswer is an answer with a picture.
func (s *Server) pngAnswer(m image.Image) answer { return answer{kind: "image/png", body: s.encode(m)} }

// A SliceQuestion asks for R on a plane through a picture.
type SliceQuestion struct {
	Question
	// Dirs are the two directions: noise, blur, grad, or the id of another picture.
	Dirs [2]string `json:"dirs"`
	// Span and Grid are those of explore.Plane: defaults 1 and 15.
	Span float64 `json:"span,omitempty"`
	Grid int     `json:"grid,omitempty"`
	Seed uint64  `json:"seed,omitempty"`
	// Noise, if not 0, adds the fidelity to a simulated measurement by Operator
	// (default denoise) with white noise of that deviation, and the iterates of the
	// solver that restores it.
	Noise    float64 `json:"noise,omitempty"`
	Operator string  `json:"operator,omitempty"`
}

// A SliceAnswer is a plane with the iterates of a solver.
type SliceAnswer struct {
	explore.SliceResult
	Kept
	// At is the address of the picture of a point: append ?a=A&b=B.
	At  string `json:"at"`
	Way []Step `json:"way,omitempty"`
}

// A Step is an iterate of the solver: the nearest point of the plane, and the distance
// from the plane, in units of the axes.
type Step struct {
	A   float64 `json:"a"`
	B   float64 `json:"b"`
	Off float64 `json:"off"`
}

func (s *Server) priorSlice(w http.ResponseWriter, r *http.Request) {
	ask(s, w, r, func(ctx context.Context, q SliceQuestion, out *stream) (any, error) {
		p, x, it, err := s.open(q.Question)
		if err != nil {
			return nil, err
		}
		if q.Grid == 0 {
			q.Grid = 15
		}
		if q.Grid < 2 || q.Grid > 61 || q.Grid*q.Grid*x.Len() > 1<<26 {
			return nil, bad("grid: %d points each way of a picture of %d samples; take a smaller window or fewer than that, and at most 61", q.Grid, x.Len())
		}
		if q.Span == 0 {
			q.Span = 1
		}
		if !(q.Span > 0 && q.Span < 1e4) {
			return nil, bad("span: %v; want a positive number", q.Span)
		}
		plane := explore.Plane{Span: q.Span, Grid: q.Grid}
		if plane.U, err = s.direction(q, 0, x); err == nil {
			plane.V, err = s.direction(q, 1, x)
		}
		if err != nil {
			return nil, err
		}
		var m restore.Problem
		if q.Noise != 0 {
			if m, plane.Fidelity, err = simulated(q, x); err != nil {
				return nil, err
			}
		}
		slice, err := explore.Slice(ctx, p, x, plane, told(out))
		if err != nil {
			return nil, err
		}
		a := SliceAnswer{SliceResult: slice}
		if q.Noise != 0 {
			if a.Way, err = s.way(ctx, q, m, slice); err != nil {
				return nil, err
			}
		}
		table := explore.DataOf(slice)
		kept, k, err := s.keepFigures(ownerOf(r), figureName(it, "slice", p.Name), 12*x.Len()+64*len(slice.Z), table, plot.Slice(slice))
		if err != nil {
			return nil, err
		}
		kept.slice, kept.look = &slice, it.look
		a.Kept, a.At = k, "/api/v1/results/"+k.ID+"/at"
		return a, nil
	})
}

// direction is axis k of a plane through x.
func (s *Server) direction(q SliceQuestion, k int, x operators.Image) (explore.Direction, error) {
	switch name := q.Dirs[k]; name {
	case "noise":
		return explore.Random(q.Seed + uint64(k)), nil
	case "grad":
		return explore.Descent(), nil
	case "blur":
		return explore.Smoothing(1.5), nil
	default:
		it, err := s.pictureOf(name)
		if err != nil {
			return explore.Direction{}, bad("dirs: %q; want noise, blur, grad or the id of a picture", name)
		}
		to, err := it.like(x, q.Window)
		return explore.Towards(it.name, to), err
	}
}

// simulated is a measurement of x, and its fidelity in nats.
func simulated(q SliceQuestion, x operators.Image) (m restore.Problem, fidelity func(x []float32) float64, err error) {
	if !(q.Noise > 0 && q.Noise <= 1) {
		return m, nil, bad("noise: %v; want a number in (0,1]", q.Noise)
	}
	spec, err := operators.ParseSpec(cmp.Or(q.Operator, "denoise"))
	if err != nil {
		return m, nil, badSpec(err)
	}
	a, err := spec.Build(x.Shape)
	if err != nil {
		return m, nil, bad("operator: %s", err)
	}
	y := operators.Image{Shape: a.Codomain(), Pix: make([]float32, a.Codomain().Len())}
	a.Apply(y.Pix, x.Pix)
	rng := rand.New(rand.NewPCG(q.Seed, 0x6e6f697365))
	for i := range y.Pix {
		y.Pix[i] += float32(q.Noise * rng.NormFloat64())
	}
	h := &solvers.LeastSquares{A: a, Y: y.Pix}
	m = restore.Problem{Y: y, Operator: spec, Scene: x.Shape, Noise: noise.White{Sigma: q.Noise}, Range: restore.Unit}
	return m, func(x []float32) float64 { return h.Value(x) / (q.Noise * q.Noise) }, nil
}

// way restores a simulated measurement and follows the solver over the plane.
func (s *Server) way(ctx context.Context, q SliceQuestion, m restore.Problem, on explore.SliceResult) ([]Step, error) {
	o, err := s.solver(Options{Prior: q.Prior, Strength: "1", Iters: 50})
	if err != nil {
		return nil, err
	}
	plan, err := restore.New(m, o)
	if err != nil {
		return nil, err
	}
	var way []Step
	add := func(x []float32) {
		if a, b, off := on.Project(x); finite(a) && finite(b) {
			way = append(way, Step{a, b, off})
		}
	}
	if restore.OnlyNoise(m.Operator) {
		add(m.Y.Pix)
	}
	_, err = plan.Solve(ctx, func(at restore.Progress) {
		if x := at.Image(); x.Len() == m.Scene.Len() && len(x.Pix) > 0 {
			add(x.Pix)
		}
	})
	return way, err
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// sliceAt answers with the picture at a point of a plane.
func (s *Server) sliceAt(w http.ResponseWriter, r *http.Request) {
	it := s.items.get(r.PathValue("id"))
	if it == nil || it.slice == nil {
		s.refuse(w, missing("slice", r.PathValue("id")))
		return
	}
	a, errA := strconv.ParseFloat(r.URL.Query().Get("a"), 64)
	b, errB := strconv.ParseFloat(r.URL.Query().Get("b"), 64)
	if errA != nil || errB != nil || !finite(a) || !finite(b) {
		s.refuse(w, bad("want ?a=A&b=B, two numbers"))
		return
	}
	s.pngAnswer(it.look.draw(it.slice.At(a, b), everything, 1)).send(w)
}

// A CurveQuestion asks for f, psi and R of priors for numbers.
type CurveQuestion struct {
	Priors []string `json:"priors"`
	From   float64  `json:"from"`
	To     float64  `json:"to"`
	Points int      `json:"points,omitempty"`
	// Laplace is the scale b of the density for the truth. Default 1.
	Laplace float64 `json:"laplace,omitempty"`
}

// A CurveAnswer has a curve for each prior, and the truth for Laplace data.
type CurveAnswer struct {
	Kept
	Curves []explore.CurveResult  `json:"curves"`
	Errors []explore.LaplaceError `json:"errors"`
	Truth  struct {
		MAP    explore.Numbers `json:"map"`
		Mean   explore.Numbers `json:"mean"`
		Median explore.Numbers `json:"median"`
		R      explore.Numbers `json:"r"`
	} `json:"truth"`
}

func (s *Server) priorCurve(w http.ResponseWriter, r *http.Request) {
	ask(s, w, r, func(ctx context.Context, q CurveQuestion, out *stream) (any, error) {
		if q.Points == 0 {
			q.Points = 201
		}
		if q.Laplace == 0 {
			q.Laplace = 1
		}
		if q.From == 0 && q.To == 0 {
			q.From, q.To = -3, 3
		}
		if !(q.To > q.From) || math.IsInf(q.To-q.From, 0) || q.Points < 2 || q.Points > 5000 || !(q.Laplace > 0) {
			return nil, bad("want from < to, 2 to 5000 points and laplace > 0")
		}
		if len(q.Priors) == 0 || len(q.Priors) > 8 {
			return nil, bad("priors: %d; want one to eight", len(q.Priors))
		}
		xs := make([]float64, q.Points)
		for k := range xs {
			xs[k] = q.From + (q.To-q.From)*float64(k)/float64(q.Points-1)
		}
		var a CurveAnswer
		var truth explore.Laplace
		for _, name := range q.Priors {
			found, err := s.prior(name)
			if err != nil {
				return nil, err
			}
			net, err := found.Network()
			if err != nil {
				return nil, err
			}
			if c := net.Config(); c.Channels != 1 || c.Height != 1 || c.Width != 1 {
				return nil, bad("prior %s is for pictures: curves want one for numbers, as laplace", name)
			} else if truth.Sigma != 0 && truth.Sigma != c.Sigma {
				return nil, bad("prior %s has another noise level than %s", name, q.Priors[0])
			} else {
				truth = explore.Laplace{B: q.Laplace, Sigma: c.Sigma}
			}
			c, err := explore.Curve(ctx, explore.Of(path.Base(found.Name), net), xs)
			if err != nil {
				return nil, err
			}
			a.Curves, a.Errors = append(a.Curves, c), append(a.Errors, truth.Errors(c))
		}
		for _, x := range xs {
			mean, median := truth.Posterior(x)
			t := &a.Truth
			t.MAP, t.R = append(t.MAP, truth.MAP(x)), append(t.R, truth.R(x))
			t.Mean, t.Median = append(t.Mean, mean), append(t.Median, median)
		}
		var err error
		table := explore.DataOf(a.Curves...)
		_, a.Kept, err = s.keepFigures(ownerOf(r), figureName(nil, "curve", a.Curves[0].Prior), 64*q.Points*len(q.Priors), table, plot.Curves(truth, a.Curves...)...)
		return a, err
	})
}

// A Verified is a certificate with the meaning of each line.
type Verified struct {
	lpn.Certificate
	Lines []lpn.Finding `json:"lines"`
}

// certificates are those that were made. A network does not change, and its certificate
// takes a minute: whoever asks again, or has gone meanwhile, finds it made.
type certificates struct {
	mu   sync.Mutex
	made map[string]func() (lpn.Certificate, error)
}

// of is the certificate of a prior, which one caller makes and the others wait for.
func (c *certificates) of(p priors.Prior) (lpn.Certificate, error) {
	c.mu.Lock()
	get := c.made[p.Name]
	if get == nil {
		get = sync.OnceValues(func() (lpn.Certificate, error) {
			net, err := p.Network()
			if err != nil {
				return lpn.Certificate{}, err
			}
			c := net.Config()
			shape := operators.Shape{C: c.Channels, H: 32, W: 32}
			if c.Height > 0 {
				shape.H, shape.W = c.Height, c.Width
			}
			return net.Verify(shape, lpn.Probing{})
		})
		c.made[p.Name] = get
	}
	c.mu.Unlock()
	return get()
}

func (s *Server) priorVerify(w http.ResponseWriter, r *http.Request) {
	ask(s, w, r, func(_ context.Context, q struct {
		Prior string `json:"prior"`
	}, out *stream) (any, error) {
		found, err := s.prior(q.Prior)
		if err != nil {
			return nil, err
		}
		cert, err := s.certificates.of(found)
		if err != nil {
			return nil, err
		}
		return Verified{cert, cert.Findings()}, nil
	})
}

// figure answers with a result as a figure or as numbers.
func (s *Server) figure(w http.ResponseWriter, r *http.Request) {
	it := s.items.get(r.PathValue("id"))
	if it == nil || it.figures == nil {
		s.refuse(w, missing("result", r.PathValue("id")))
		return
	}
	s.sendFigure(w, r, it)
}

// sendFigure answers with the figures or numbers of an item, in the format of the request.
func (s *Server) sendFigure(w http.ResponseWriter, r *http.Request, it *item) {
	format := cmp.Or(r.URL.Query().Get("format"), "svg")
	if !slices.Contains(plot.Formats, format) {
		s.refuse(w, bad("format: %q; want %s", format, strings.Join(plot.Formats, ", ")))
		return
	}
	var b bytes.Buffer
	err := s.turn(r.Context(), s.light, ownerOf(r), func() error {
		switch {
		case format == "csv":
			return it.numbers.CSV(&b)
		case format == "npz" && it.numbers.NPZ != nil:
			return it.numbers.NPZ(&b)
		}
		return plot.Write(&b, format, it.figures...)
	})
	if err != nil {
		s.refuse(w, err)
		return
	}
	answer{kind: mediaType("." + format), file: it.name + "." + format, body: b.Bytes()}.send(w)
}

// A PriorInfo describes a prior.
type PriorInfo struct {
	Name     string  `json:"name"`
	Channels int     `json:"channels"`
	Sigma    float64 `json:"sigma"`
	Natural  bool    `json:"natural"`
	// Scalar says that the prior is for numbers.
	Scalar bool `json:"scalar"`
}

func (s *Server) listPriors(w http.ResponseWriter, r *http.Request) {
	out := []PriorInfo{}
	for _, p := range append(priors.All(), s.config.Priors...) {
		out = append(out, PriorInfo{Name: path.Base(p.Name), Channels: p.Channels, Sigma: p.Sigma, Natural: p.Natural, Scalar: p.Name == "laplace"})
	}
	reply(w, http.StatusOK, out)
}

// about says what this is.
func (s *Server) about(w http.ResponseWriter, r *http.Request) {
	version := ""
	if b, ok := debug.ReadBuildInfo(); ok {
		version = b.Main.Version
	}
	reply(w, http.StatusOK, struct {
		Version string   `json:"version"`
		Solvers []string `json:"solvers"`
		Upload  int64    `json:"upload"`
		Folder  bool     `json:"folder"`
		Formats []string `json:"formats"`
		// Colours are those of maps, from least to largest.
		Colours map[string][]string `json:"colours"`
	}{version, restore.Solvers(), s.config.Upload, s.config.Folder != nil, imageio.Extensions,
		map[string][]string{"growing": webColours(growing), "diverging": webColours(diverging)}})
}

// webColours are a few of a table, as #rrggbb.
func webColours(table [256]color.RGBA) (out []string) {
	for k := 0; k < 256; k += 15 {
		c := table[k]
		out = append(out, fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B))
	}
	return out
}
