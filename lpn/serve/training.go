package serve

import (
	"encoding/csv"
	"errors"
	"io"
	"io/fs"
	"math"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

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

// logs are the files in the folder that begin as the log of a training does.
func (s *Server) logs(r *http.Request) []string {
	out := []string{}
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
		}
		return nil
	})
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
	t := Training{Name: name, Changed: st.ModTime(), Columns: map[string]explore.Numbers{}}
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
