package train

import (
	"cmp"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/lpn-imaging/lpn/lpn"
)

// A Record says how a prior was trained, completely enough to train it again. It is
// stored in the prior's file: see Attach and RecordOf.
type Record struct {
	// Command is the command line, empty for trainings by a program.
	Command string `json:"command,omitempty"`
	// Preset is the name of the recipe, if it has one. Recipe is the network, the plan
	// and the rest of the options; Recipe.From is the prior that it began with.
	Preset string `json:"preset,omitempty"`
	Recipe Preset `json:"recipe"`
	Seed   uint64 `json:"seed"`
	// Every is the number of steps between validations, Patience as in Options.
	Every    int  `json:"every"`
	Patience int  `json:"patience,omitempty"`
	Half     bool `json:"half,omitempty"`
	// Damp says that the gates were scaled at the end: see lpn.Network.Damped.
	Damp bool `json:"damp,omitempty"`
	Data Data `json:"data"`
	// Steps is the number of steps made, and Seconds their time.
	Steps   int     `json:"steps"`
	Seconds float64 `json:"seconds"`
	PSNR    Decibel `json:"psnr"`
	Curve   []Point `json:"curve"`
	// Version is that of this module, Go that of the compiler, Machine the
	// system, the architecture and the number of cores.
	Version string `json:"version"`
	Go      string `json:"go"`
	Machine string `json:"machine"`
	// Date is the day on which the training ended, as 2006-01-02.
	Date string `json:"date"`
	// Licence and Note are the author's words.
	Licence string `json:"licence,omitempty"`
	Note    string `json:"note,omitempty"`
}

// Data describes the pictures of a training.
type Data struct {
	// Path, Valid and Pairs are the folders, as the user wrote them.
	Path  string `json:"path,omitempty"`
	Valid string `json:"valid,omitempty"`
	Pairs string `json:"pairs,omitempty"`
	// Split is how the validation pictures were held back.
	Split string `json:"split,omitempty"`
	// Hash is Images.Hash of the pictures, held-back ones included.
	Hash string `json:"hash,omitempty"`
	// Training and Held count the pictures.
	Training int `json:"training"`
	Held     int `json:"held"`
	// Range is that of the set, LO:HI in the numbers of the files, "" for image files.
	Range string `json:"range,omitempty"`
	// Noise is the model of the pictures' noise if they were not clean; Recorrupted
	// says how the training treated it.
	Noise       json.RawMessage `json:"noise,omitempty"`
	Recorrupted bool            `json:"recorrupted,omitempty"`
	Findings    []Finding       `json:"findings,omitempty"`
}

// mostPoints bounds the curve that a file carries.
const mostPoints = 200

// Finished fills in the facts about the finished training and the program.
func (r Record) Finished(t *Result) Record {
	r.Steps, r.Seconds, r.PSNR = t.Steps, t.Seconds, Decibel(t.PSNR)
	r.Curve = nil
	every := (len(t.Curve) + mostPoints - 1) / mostPoints
	for i, p := range t.Curve {
		if i%max(1, every) == 0 || i == len(t.Curve)-1 {
			r.Curve = append(r.Curve, p)
		}
	}
	r.Go, r.Version = runtime.Version(), "unknown"
	if b, ok := debug.ReadBuildInfo(); ok {
		r.Version = b.Main.Version
		if i := slices.IndexFunc(b.Settings, func(s debug.BuildSetting) bool { return s.Key == "vcs.revision" }); i >= 0 {
			r.Version += " " + b.Settings[i].Value
		}
	}
	r.Machine = fmt.Sprintf("%s/%s, %d cores", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	r.Date = time.Now().UTC().Format(time.DateOnly)
	return r
}

// The notes of a prior's file.
const (
	metaRecord = "train.record"
	metaPlan   = "plan"
	metaPreset = "preset"
	metaSeed   = "seed"
	metaSteps  = "steps"
	metaPSNR   = "psnr"
)

// Attach returns the network with the record, and its range, in its notes.
func (r Record) Attach(net *lpn.Network) (*lpn.Network, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	net = net.WithMeta(metaRecord, string(text)).WithMeta(metaPlan, r.Recipe.Plan.String()).WithMeta(metaSeed, fmt.Sprint(r.Seed)).WithMeta(metaSteps, fmt.Sprint(r.Steps))
	if r.PSNR == r.PSNR {
		net = net.WithMeta(metaPSNR, fmt.Sprintf("%.4f", float64(r.PSNR)))
	}
	if r.Preset != "" {
		net = net.WithMeta(metaPreset, r.Preset)
	}
	if r.Data.Range != "" {
		net = net.WithMeta(lpn.MetaRange, r.Data.Range)
	}
	return net, nil
}

// RecordOf returns the record in a prior's file. Old files have no record: then
// complete is false, and the record has only their plan, seed, steps and PSNR.
func RecordOf(net *lpn.Network) (r Record, complete bool, err error) {
	if text := net.Meta(metaRecord); text != "" {
		err := json.Unmarshal([]byte(text), &r)
		if err != nil {
			err = fmt.Errorf("train: the record in the file: %w", err)
		}
		return r, err == nil, err
	}
	r.Recipe.Config, r.Preset = net.Config(), net.Meta(metaPreset)
	if plan, err := ParsePlan(net.Meta(metaPlan)); err == nil { // another program may write what it likes there
		r.Recipe.Plan = plan
	}
	fmt.Sscan(net.Meta(metaSeed), &r.Seed)
	fmt.Sscan(net.Meta(metaSteps), &r.Steps)
	if _, err := fmt.Sscan(net.Meta(metaPSNR), &r.PSNR); err != nil {
		r.PSNR.UnmarshalJSON([]byte("null"))
	}
	return r, false, nil
}

// Card is a model card in Markdown (Mitchell et al. 2019): what the prior is for, what it
// was trained on and how, what was measured.
func (r Record) Card(name string, net *lpn.Network) string {
	var b strings.Builder
	c := net.Config()
	row := func(what, format string, args ...any) {
		if text := fmt.Sprintf(format, args...); text != "" {
			fmt.Fprintf(&b, "| %s | %s |\n", what, strings.ReplaceAll(text, "|", "\\|"))
		}
	}
	table := func(title string) { fmt.Fprintf(&b, "\n## %s\n\n| | |\n|---|---|\n", title) }
	kind := map[int]string{1: "gray pictures", 3: "colour pictures"}[c.Channels]
	if kind == "" {
		kind = fmt.Sprintf("pictures of %d channels", c.Channels)
	}
	fmt.Fprintf(&b, "# %s\n\nA learned proximal network: its output is exactly the proximal operator of a function R that can be\nevaluated, a prior for restoring %s (Fang, Buchanan & Sulam, ICLR 2024).\n", name, kind)
	if r.Note != "" {
		fmt.Fprintf(&b, "\n%s\n", r.Note)
	}
	table("Use")
	row("pictures", "%s", kind)
	row("noise level it was trained to remove", "%.4g of the range (%.3g/255)", c.Sigma, 255*c.Sigma)
	if r.Data.Range != "" {
		row("black to white", "%s in the numbers of the files; `lpn restore` maps to them by itself", r.Data.Range)
	}
	row("licence", "%s", r.Licence)
	table("Data")
	row("pictures", "%d for training, %d held back", r.Data.Training, r.Data.Held)
	row("SHA-256", "%s", r.Data.Hash)
	if len(r.Data.Noise) > 0 {
		row("noise of the pictures", "`%s`", r.Data.Noise)
	}
	for _, f := range r.Data.Findings {
		row(f.Kind, "%d pictures, %s", f.Count, f.Done)
	}
	table("Training")
	row("network", "%s, %d weights", cmp.Or(c.Name, "of its own kind"), c.NumParams())
	if len(r.Recipe.Plan) > 0 {
		row("plan", "`%s`", r.Recipe.Plan)
	}
	row("started from", "%s", r.Recipe.From)
	row("steps made", "%d", r.Steps)
	if r.Seconds > 0 {
		row("time", "%.0f s on %s", r.Seconds, r.Machine)
	}
	row("version", "%s", strings.TrimSpace(r.Version+" "+r.Go))
	if r.Command != "" {
		row("command", "`%s`", r.Command)
	}
	table("Measured")
	if r.PSNR == r.PSNR {
		row("PSNR of the held-back pictures", "%.2f dB", float64(r.PSNR))
	}
	if cert, ok := net.Certificate(); ok {
		if cert.OK {
			row("certified", "yes")
		} else {
			row("certified", "no: %s", strings.Join(cert.Reasons, "; "))
		}
	}
	b.WriteString("\n## Limits\n\nR is what the network learned from these pictures; of others it is a guess. Details in a result that the\nmeasurement does not fix come from the prior. The certificate is about the function, not about the picture.\n")
	return b.String()
}
