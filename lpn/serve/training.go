package serve

import (
	"cmp"
	"encoding/csv"
	"errors"
	"io"
	"io/fs"
	"math"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lpn-imaging/lpn/internal/plot"
	"github.com/lpn-imaging/lpn/lpn/explore"
)

// logColumns are those that the log of a training begins with.
const logColumns = "step,seconds,loss,"

// A Training is the log of lpn train until now.
type Training struct {
	Name    string    `json:"name"`
	Changed time.Time `json:"changed"`
	// Columns by their names in the log: step, seconds, loss, rate, gradient_norm,
	// growth, psnr. Null if the log has no number.
	Columns map[string]explore.Numbers `json:"columns"`
	Rows    int                        `json:"rows"`
	// Pictures are those of lpn train --pictures, in the order of their steps.
	Pictures []StepPicture `json:"pictures"`
	// Figure is the address of the curves: append &format=svg, pdf, png or csv.
	Figure string `json:"figure"`
}

// A StepPicture is a file of the folder: held-back pictures after a step of a training,
// with noise, denoised and clean.
type StepPicture struct {
	Step int    `json:"step"`
	File string `json:"file"`
}

// mostLog bounds the part of a log that is read, in bytes: its end.
const mostLog = 8 << 20

// training lists the logs in the folder, or answers with the one named: ?name=NAME.
func (s *Server) training(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("name")
	if name == "" {
		reply(w, http.StatusOK, struct {
			Logs []string `json:"logs"`
		}{s.logs(r)})
		return
	}
	t, err := s.readLog(name)
	if err != nil {
		s.refuse(w, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	reply(w, http.StatusOK, t)
}

// logs are the files in the folder that begin as the log of a training does, the last
// that was written first.
func (s *Server) logs(r *http.Request) []string {
	out, changed := []string{}, map[string]time.Time{}
	if s.config.Folder == nil {
		return out
	}
	seen := 0
	fs.WalkDir(s.config.Folder.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		seen++
		if r.Context().Err() != nil || seen > 20_000 || len(out) == 100 {
			return fs.SkipAll
		}
		if err != nil || d.IsDir() || path.Ext(name) != ".csv" || !d.Type().IsRegular() {
			return nil
		}
		f, err := s.config.Folder.Open(name)
		if err != nil {
			return nil
		}
		defer f.Close()
		head := make([]byte, len(logColumns))
		if _, err := io.ReadFull(f, head); err == nil && string(head) == logColumns {
			out = append(out, name)
			if st, err := f.Stat(); err == nil {
				changed[name] = st.ModTime()
			}
		}
		return nil
	})
	slices.SortStableFunc(out, func(a, b string) int { return changed[b].Compare(changed[a]) })
	return out
}

// readLog reads a log that may be written at this moment.
func (s *Server) readLog(name string) (Training, error) {
	none := statusError{http.StatusNotFound, errors.New("no log of a training of that name")}
	if s.config.Folder == nil || !fs.ValidPath(name) || path.Ext(name) != ".csv" {
		return Training{}, none
	}
	f, err := s.config.Folder.Open(name)
	if err != nil {
		return Training{}, none
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return Training{}, none
	}
	head := make([]byte, len(logColumns))
	if _, err := io.ReadFull(f, head); err != nil || string(head) != logColumns {
		return Training{}, none
	}
	if st.Size() > mostLog {
		return Training{}, statusError{http.StatusRequestEntityTooLarge, errors.New("the log is too long")}
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return Training{}, err
	}
	data, err := io.ReadAll(io.LimitReader(f, mostLog))
	if err != nil {
		return Training{}, err
	}
	// The last line may not be whole yet.
	text := string(data[:strings.LastIndexByte(string(data), '\n')+1])
	c := csv.NewReader(strings.NewReader(text))
	c.FieldsPerRecord = -1
	rows, err := c.ReadAll()
	if err != nil || len(rows) == 0 {
		return Training{}, none
	}
	t := Training{Name: name, Changed: st.ModTime(), Columns: map[string]explore.Numbers{},
		Pictures: s.stepPictures(name), Figure: "/api/v1/training/figure?name=" + url.QueryEscape(name)}
	names := rows[0]
	for _, row := range rows[1:] {
		if len(row) != len(names) || row[0] == names[0] {
			continue
		}
		t.Rows++
		for i, cell := range row {
			v, err := strconv.ParseFloat(cell, 64)
			if err != nil {
				v = math.NaN()
			}
			t.Columns[names[i]] = append(t.Columns[names[i]], v)
		}
	}
	return t, nil
}

// mostSteps bounds the pictures of a training that are listed: the last ones.
const mostSteps = 500

// stepPictures are the pictures beside a log.
func (s *Server) stepPictures(log string) []StepPicture {
	out := []StepPicture{}
	dir := strings.TrimSuffix(log, ".csv") + "-pictures"
	entries, _ := fs.ReadDir(s.config.Folder.FS(), dir) // none: no pictures
	for _, e := range entries {
		digits, ok := strings.CutPrefix(strings.TrimSuffix(e.Name(), ".png"), "step-")
		if step, err := strconv.Atoi(digits); ok && err == nil && step >= 0 && path.Ext(e.Name()) == ".png" && e.Type().IsRegular() {
			out = append(out, StepPicture{step, dir + "/" + e.Name()})
		}
	}
	slices.SortFunc(out, func(a, b StepPicture) int { return a.Step - b.Step })
	return out[max(0, len(out)-mostSteps):]
}

// trainingFigure answers with the curves of a training: ?name=NAME&format=svg, pdf, png,
// or csv, the log itself.
func (s *Server) trainingFigure(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	t, err := s.readLog(q.Get("name"))
	if err != nil {
		s.refuse(w, err)
		return
	}
	var vs []plot.Validation
	at := func(name string, k int) float64 {
		if c := t.Columns[name]; k < len(c) {
			return c[k]
		}
		return math.NaN()
	}
	for k := range t.Rows {
		v := plot.Validation{Step: at("step", k), Loss: at("loss", k), Gain: at("growth", k), PSNR: at("psnr", k)}
		if v.Gain == 0 { // no penalty, nothing measured
			v.Gain = math.NaN()
		}
		vs = append(vs, v)
	}
	columns := func(w io.Writer) error {
		var names []string
		for name := range t.Columns {
			names = append(names, name)
		}
		slices.SortFunc(names, func(a, b string) int { return cmp.Compare(logOrder(a), logOrder(b)) })
		return writeColumns(w, names, func(k int) explore.Numbers { return t.Columns[names[k]] })
	}
	it := &item{name: strings.TrimSuffix(path.Base(t.Name), ".csv"), figures: plot.Learning(vs), numbers: explore.Data{CSV: columns}}
	s.sendFigure(w, r, it)
}

// logOrder is where a column stands in a log.
func logOrder(name string) int {
	if k := slices.Index(strings.Split("step,seconds,loss,rate,gradient_norm,growth,psnr", ","), name); k >= 0 {
		return k
	}
	return math.MaxInt
}

// writeColumns writes columns of one length as CSV; what is not finite is an empty cell.
func writeColumns(w io.Writer, names []string, column func(k int) explore.Numbers) error {
	c := csv.NewWriter(w)
	c.Write(names)
	for row := 0; len(names) > 0 && row < len(column(0)); row++ {
		cells := make([]string, len(names))
		for k := range names {
			if v := column(k)[row]; finite(v) {
				cells[k] = strconv.FormatFloat(v, 'g', -1, 64)
			}
		}
		c.Write(cells)
	}
	c.Flush()
	return c.Error()
}
