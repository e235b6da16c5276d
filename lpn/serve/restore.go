package serve

import (
	"cmp"
	"context"
	"encoding/json"
	"image"
	"io"
	"math"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/measured"
	"github.com/lpn-imaging/lpn/internal/plot"
	"github.com/lpn-imaging/lpn/lpn/explore"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// A Request asks for a restoration.
type Request struct {
	// Picture is the id of a picture that was sent before.
	Picture string  `json:"picture"`
	Options Options `json:"options"`
	// Side, if not 0, asks for the iterates in the events as pictures with sides of at
	// most so many pixels.
	Side int `json:"side,omitempty"`
}

// A Planned is the plan of a restoration.
type Planned struct {
	Plan *restore.Plan `json:"plan"`
	// Choice is the reason for the operator, if the file or the picture decided;
	// Remarks are messages for people; Words has the plan, a line for each decision.
	Choice  string   `json:"choice,omitempty"`
	Remarks []string `json:"remarks,omitempty"`
	Words   []string `json:"words"`
	// Kernel is a data URL of the kernel of blur:auto, with the largest tap white.
	Kernel string `json:"kernel,omitempty"`
	// NoiseModel is the model of the noise, in the form of the option noise.
	NoiseModel json.RawMessage `json:"noise_model"`
	// Command is the command line that does the same.
	Command string `json:"command"`
	// Parts says that POST /api/v1/look can restore a part alone.
	Parts bool `json:"parts"`
}

// An Iterate is an event of a running restoration.
type Iterate struct {
	K         int            `json:"k"`
	Iters     int            `json:"iters"`
	Window    int            `json:"window"`
	Windows   int            `json:"windows"`
	Seconds   float64        `json:"seconds"`
	Objective explore.Number `json:"objective"`
	Data      explore.Number `json:"data"`
	Prior     explore.Number `json:"prior"`
	Residual  explore.Number `json:"residual"`
	// Image is a data URL; if the request asked for images, some iterates have one.
	Image string `json:"image,omitempty"`
}

// A Restored is a result: the output of lpn restore --json, and the address of the
// picture.
type Restored struct {
	measured.Record
	// URL is the address of the picture.
	URL     string      `json:"url"`
	Picture PictureInfo `json:"picture"`
	Command string      `json:"command"`
	Trace   []Iterate   `json:"trace"`
	// Figure is the address of the trace as a figure or numbers: append ?format=svg,
	// pdf, png, csv or npz. "" for results in windows.
	Figure string `json:"figure,omitempty"`
	// Residual is the residual in units of the noise, nil if there is none: see
	// restore.Result.Residual.
	Residual *Residual `json:"residual"`
}

// A Residual is a picture of (y - Ax)/level from -3 to 3, and how white it is.
type Residual struct {
	Picture   *PictureInfo    `json:"picture"`
	Whiteness noise.Whiteness `json:"whiteness"`
	// Figure is the address of its spectrum by frequency, as that of the trace; "" if
	// there is none.
	Figure string `json:"figure,omitempty"`
}

// mostTrace is the number of iterations in a result; if there are more, it skips some.
const mostTrace = 500

// A prepared is the restoration of a picture with some options.
type prepared struct {
	of *item
	// asked are the options, read those that decide the reading.
	asked, read string
	picture     *imageio.Picture // whose depth and profile the result keeps
	measured.Reading
	plan *restore.Plan
}

// prepare is the restoration of an item, kept for the next requests like it.
func (s *Server) prepare(ctx context.Context, it *item, o Options) (prepared, error) {
	it.mu.Lock()
	defer it.mu.Unlock()
	p := prepared{of: it, asked: o.canonical(), read: o.reading(), picture: it.picture}
	if made, ok := s.plans.find(it, func(q prepared) bool { return q.asked == p.asked }); ok {
		return made, nil
	}
	choice, ro, err := s.options(o)
	if err != nil {
		return p, err
	}
	if made, ok := s.plans.find(it, func(q prepared) bool { return q.read == p.read }); ok { // a blur is not looked for again
		p.picture, p.Reading = made.picture, made.Reading
	} else {
		if o.Gray {
			p.picture = p.picture.Luma()
		}
		if err = p.readAs(ctx, o, choice, ro); ctx.Err() != nil {
			return p, ctx.Err()
		} else if err != nil {
			return p, bad("%s", err)
		}
	}
	if p.plan, err = restore.New(p.Problem, ro); err == nil {
		s.plans.keep(p)
	}
	return p, err
}

// readAs reads the picture as the problem that it is, as the command does.
func (p *prepared) readAs(ctx context.Context, o Options, choice measured.Choice, ro restore.Options) (err error) {
	if p.Reading, err = measured.Read(ctx, p.picture, choice); err != nil {
		return err
	}
	marked := *p.picture // the item keeps its marks
	p.picture = &marked
	measured.Observe(&p.Problem, p.picture, measured.Lights[cmp.Or(o.Light, "auto")], o.Missing)
	if choice.Noise != nil || o.Missing != "" {
		return nil
	}
	line, err := measured.UndoJPEG(ctx, &p.Problem, p.picture, choice.Range, ro)
	p.Choice = cmp.Or(line, p.Choice)
	return err
}

// plan answers what would be done.
func (s *Server) plan(w http.ResponseWriter, r *http.Request) {
	var q Request
	if err := decode(w, r, &q); err != nil {
		s.refuse(w, err)
		return
	}
	s.work(w, r, s.heavy, func(ctx context.Context, _ *stream) (any, error) {
		it, err := s.pictureOf(q.Picture)
		if err != nil {
			return nil, err
		}
		p, err := s.prepare(ctx, it, q.Options)
		if err != nil {
			return nil, err
		}
		return s.planned(it, q.Options, p)
	})
}

func (s *Server) planned(it *item, o Options, p prepared) (Planned, error) {
	model, err := noise.Marshal(p.plan.GivenNoise(), p.plan.Confidence)
	if err != nil {
		return Planned{}, err
	}
	_, none := p.plan.Part(image.Rect(0, 0, min(8, p.plan.FrameW), min(8, p.plan.FrameH)), 1)
	a := Planned{
		Plan: p.plan, Choice: p.Choice, Remarks: p.Remarks, Words: strings.Split(strings.TrimSpace(p.plan.String()), "\n"),
		NoiseModel: model, Command: s.command(it.name, o), Parts: none == nil,
	}
	if p.Blur != nil {
		k := p.Blur.Image()
		a.Choice = "blur: " + p.Blur.String()
		a.Kernel = s.dataURL(look{hi: float64(slices.Max(k.Pix))}.draw(k, everything, 1))
	}
	return a, nil
}

// restore restores a picture that is sent with the request, or was before.
func (s *Server) restore(w http.ResponseWriter, r *http.Request) {
	q, it, err := s.asked(w, r)
	if err != nil {
		s.refuse(w, err)
		return
	}
	s.work(w, r, s.heavy, func(ctx context.Context, out *stream) (any, error) {
		start := time.Now()
		defer func() { s.metrics.micros.Add(time.Since(start).Microseconds()) }()
		result, made, err := s.solve(ctx, it, q, ownerOf(r), out)
		if err != nil {
			return nil, err
		}
		s.metrics.restored.Add(1)
		if out.events || strings.Contains(r.Header.Get("Accept"), "application/json") {
			return result, nil
		}
		return fileOf(made, q.Options)
	})
}

// asked reads a request for a restoration: JSON, or a form with a picture.
func (s *Server) asked(w http.ResponseWriter, r *http.Request) (q Request, it *item, err error) {
	if t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); t == "application/json" {
		if err = decode(w, r, &q); err == nil {
			it, err = s.pictureOf(q.Picture)
		}
		return q, it, err
	}
	it, options, err := s.receive(w, r)
	switch {
	case err != nil:
		return q, nil, err
	case it == nil:
		return q, nil, bad("the form has no file %q", "image")
	case options != nil:
		err = json1(options, &q.Options)
	}
	return q, it, err
}

// json1 reads one JSON object without unknown fields.
func json1(data []byte, v any) error {
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return badJSON(err)
	}
	return nil
}

// solve carries a request out.
func (s *Server) solve(ctx context.Context, it *item, q Request, o owner, out *stream) (*Restored, *item, error) {
	p, err := s.prepare(ctx, it, q.Options)
	if err != nil {
		return nil, nil, err
	}
	plan := p.plan
	if out.events {
		planned, err := s.planned(it, q.Options, p)
		if err != nil {
			return nil, nil, err
		}
		out.send("plan", planned)
	}
	start, shown := time.Now(), time.Time{}
	var trace []Iterate
	result, err := plan.Solve(ctx, func(at restore.Progress) {
		s.metrics.iterations.Add(1)
		e := Iterate{
			K: at.K, Iters: plan.Iters, Window: at.Window, Windows: at.Windows, Seconds: time.Since(start).Seconds(),
			Objective: explore.Number(at.Objective), Data: explore.Number(at.Data), Prior: explore.Number(at.Prior), Residual: explore.Number(at.Residual),
		}
		if at.Windows == 1 {
			if at.K == 1 {
				trace = trace[:0] // it begins again, at another strength
			}
			trace = append(trace, e)
		}
		if q.Side > 0 && at.Windows == 1 && time.Since(shown) > 250*time.Millisecond {
			e.Image = s.dataURL(it.look.draw(measured.Upright(p.picture, p.Problem, at.Image()), everything, shrink(plan.FrameH, plan.FrameW, min(q.Side, 1024))))
			shown = time.Now()
		}
		out.send("iterate", e)
	})
	if err != nil {
		return nil, nil, err
	}
	made, err := s.keep(o, restoredName(it.name, q.Options.Format), measured.Picture(p.picture, p.Problem, result.Image))
	if err != nil {
		return nil, nil, err
	}
	made.look = it.look
	if len(trace) > mostTrace {
		step := (len(trace) + mostTrace - 1) / mostTrace
		kept := trace[:0]
		for i, e := range trace {
			if i%step == 0 || i == len(trace)-1 {
				kept = append(kept, e)
			}
		}
		trace = kept
	}
	answer := &Restored{
		URL: "/api/v1/pictures/" + made.id + "/file", Picture: made.info(), Command: s.command(it.name, q.Options), Trace: trace,
	}
	if answer.Record, err = measured.RecordOf(it.name, made.name, p.Choice, plan, result); err != nil {
		return nil, nil, err
	}
	if answer.Figure, err = s.keepTrace(o, made.name, trace); err != nil {
		return nil, nil, err
	}
	if out.events {
		answer.Residual = s.residual(o, it.name, result, p.Operator)
	}
	return answer, made, nil
}

// keepTrace keeps the trace of a result as a figure, and returns its address.
func (s *Server) keepTrace(o owner, name string, trace []Iterate) (string, error) {
	if len(trace) == 0 {
		return "", nil
	}
	names := []string{"iteration", "seconds", "objective", "data", "prior", "residual"}
	columns := make([]explore.Numbers, len(names))
	var steps []plot.Step
	for _, t := range trace {
		steps = append(steps, plot.Step{K: t.K, Objective: float64(t.Objective), Residual: float64(t.Residual), PSNR: math.NaN()})
		for k, v := range []float64{float64(t.K), t.Seconds, float64(t.Objective), float64(t.Data), float64(t.Prior), float64(t.Residual)} {
			columns[k] = append(columns[k], v)
		}
	}
	csv := func(w io.Writer) error {
		return writeColumns(w, names, func(k int) explore.Numbers { return columns[k] })
	}
	_, kept, err := s.keepFigures(o, strings.TrimSuffix(name, path.Ext(name))+"-trace", 96*len(trace), explore.Data{CSV: csv}, plot.Convergence(steps)...)
	return kept.Figure, err
}

// keepSpectrum keeps the spectrum of a residual by frequency as a figure, and returns its
// address, "" without one.
func (s *Server) keepSpectrum(o owner, name string, w noise.Whiteness) string {
	var frequency, white explore.Numbers
	for k := range w.Radial {
		frequency, white = append(frequency, float64(k)/noise.PeriodSide), append(white, 1)
	}
	if len(frequency) == 0 {
		return ""
	}
	f := plot.Lines{X: "frequency (cycles per pixel)", Y: "spectrum of the residual (of the noise)", Series: []plot.Series{
		{Name: "residual", X: frequency, Y: w.Radial, Points: true}, {Name: "white noise", X: frequency, Y: white, Reference: true}}}
	csv := func(to io.Writer) error {
		return writeColumns(to, []string{"frequency", "spectrum"}, func(k int) explore.Numbers { return []explore.Numbers{frequency, w.Radial}[k] })
	}
	_, kept, err := s.keepFigures(o, strings.TrimSuffix(name, path.Ext(name))+"-residual-spectrum", 32*len(frequency), explore.Data{CSV: csv}, f)
	if err != nil { // no room: the residual is there without it
		return ""
	}
	return kept.Figure
}

// residual is what a result leaves of the measurement; nil where there is nothing to
// compare with.
func (s *Server) residual(o owner, name string, result restore.Result, operator operators.Spec) *Residual {
	r := result.Residual()
	if len(r.Pix) == 0 || r.Len() != len(r.Pix) {
		return nil
	}
	out := &Residual{Whiteness: noise.WhitenessOf(r)}
	out.Figure = s.keepSpectrum(o, name, out.Whiteness)
	if operator.ImageShaped() {
		gray := operators.NewImage(operators.Shape{C: 1, H: r.H, W: r.W})
		for i, v := range r.Pix {
			gray.Pix[i%(r.H*r.W)] += v / float32(math.Sqrt(float64(r.C)))
		}
		it := &item{owner: o, name: restoredName(name, "tiff"), picture: &imageio.Picture{Image: gray, Bits: 32, Scale: 1, Format: "tiff"},
			look: look{lo: -3, hi: 3, table: &diverging}}
		it.name = strings.Replace(it.name, "_lpn.", "_residual.", 1)
		if s.items.put(it) == nil {
			info := it.info()
			out.Picture = &info
		}
	}
	return out
}

// everything is larger than any picture.
var everything = image.Rect(0, 0, math.MaxInt32, math.MaxInt32)

// shrink is the factor that makes a picture no larger than side.
func shrink(h, w, side int) int { return max(1, (max(h, w)+side-1)/side) }

// A Look asks for a part of a restoration at a strength, without waiting in the queue.
type Look struct {
	Picture  string  `json:"picture"`
	Options  Options `json:"options"` // their strength does not count
	Strength float64 `json:"strength"`
	Window   Window  `json:"window"`
}

// A Looked is an iterate of a part, in events.
type Looked struct {
	K       int     `json:"k"`
	Seconds float64 `json:"seconds"`
	Window  Window  `json:"window"`
	// Image is a data URL.
	Image string `json:"image"`
}

// mostLooked is the largest part, in pixels.
const mostLooked = 512 * 512

// lookAt restores a part of a picture and shows every iterate as it comes: the first after
// one evaluation of the network. Without events it answers with the last, as PNG.
func (s *Server) lookAt(w http.ResponseWriter, r *http.Request) {
	var q Look
	if err := decode(w, r, &q); err != nil {
		s.refuse(w, err)
		return
	}
	q.Options.Strength = "" // the same plan serves all
	s.work(w, r, s.light, func(ctx context.Context, out *stream) (any, error) {
		it, err := s.pictureOf(q.Picture)
		if err != nil {
			return nil, err
		}
		start := time.Now()
		p, err := s.prepare(ctx, it, q.Options)
		if err != nil {
			return nil, err
		}
		if q.Window[2]*q.Window[3] > mostLooked {
			return nil, bad("window: %dx%d pixels; at most %d are looked at", q.Window[2], q.Window[3], mostLooked)
		}
		part, err := p.plan.Part(q.Window.rect(), q.Strength)
		if err != nil {
			return nil, statusError{http.StatusBadRequest, err}
		}
		seen := func(k int, x operators.Image) Looked {
			return Looked{k, time.Since(start).Seconds(), q.Window, s.dataURL(it.look.draw(x, everything, 1))}
		}
		shown := time.Time{}
		result, err := part.Solve(ctx, func(at restore.Progress) {
			if out.events && time.Since(shown) > 80*time.Millisecond {
				shown = time.Now()
				out.send("iterate", seen(at.K, at.Image()))
			}
		})
		if err != nil {
			return nil, err
		}
		if !out.events {
			return s.pngAnswer(it.look.draw(result.Image, everything, 1)), nil
		}
		return seen(result.Iterations, result.Image), nil
	})
}
