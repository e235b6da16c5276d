package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lpn-imaging/lpn/internal/sysmem"
	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/lpn/explore"
	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/lpn/restore"
)

// A Config says what a Server offers. The zero Config serves the interface to programs
// on this machine.
type Config struct {
	// Page holds the files of the page at /; nil serves the interface alone.
	Page fs.FS
	// Folder is the only folder from which clients may read; links out of it are not
	// followed. nil: none.
	Folder *os.Root
	// Start is the picture of Folder that the page opens at the start, "" for none.
	Start string
	// Priors are offered by their names, in addition to the built-in ones.
	Priors []priors.Prior
	// Token, if set, must come with every request. Set one unless you serve on
	// loopback.
	Token string
	// Hosts are further names of this machine in requests.
	Hosts []string
	// Upload is the largest file that the server accepts, in bytes. Default 256 MiB.
	Upload int64
	// Memory is the most bytes that all work together may take, and Store that for
	// pictures and results. Defaults: half and a quarter of the available memory.
	Memory, Store int64
	// Keep is how long the server keeps a picture or result that no request uses.
	// Default one hour.
	Keep time.Duration
	// Jobs is the number of restorations that run at a time. Default 2.
	Jobs int
	// Log, if not nil, is called with a line for each request that failed on the
	// server's side.
	Log func(line string)
}

// A Server is the http.Handler of the interface. It is safe for concurrent use.
type Server struct {
	config  Config
	guard   *guard
	handler http.Handler
	items   *store
	plans   *plans
	// Restorations, quick looks and uploads queue apart: a look is over in a moment.
	heavy, light, intake *queue
	arrivals             *arrivals
	certificates         certificates
	metrics              metrics
}

// New makes a server.
func New(c Config) *Server {
	available := sysmem.Available().Available
	if available <= 0 {
		available = 4 << 30 // the system does not tell
	}
	if c.Upload <= 0 {
		c.Upload = 256 << 20
	}
	if c.Memory <= 0 {
		c.Memory = available / 2
	}
	if c.Store <= 0 {
		c.Store = available / 4
	}
	if c.Keep <= 0 {
		c.Keep = time.Hour
	}
	if c.Jobs <= 0 {
		c.Jobs = 2
	}
	s := &Server{
		config: c, guard: newGuard(c.Token, c.Hosts),
		items: &store{limit: c.Store, keep: c.Keep, now: time.Now, items: map[string]*item{}},
		heavy: newQueue(c.Jobs, 16), light: newQueue(2, 64), intake: newQueue(2, 16),
		arrivals:     &arrivals{limit: max(2*c.Upload, c.Memory/4), of: map[owner]int64{}},
		certificates: certificates{made: map[string]func() (lpn.Certificate, error){}},
	}
	s.plans = &plans{limit: c.Memory / 4}
	s.items.gone = s.plans.forget
	mux := http.NewServeMux()
	for pattern, h := range map[string]http.HandlerFunc{
		"GET /healthz":                                    s.health,
		"GET /metrics":                                    s.writeMetrics,
		"GET /api/v1/about":                               s.about,
		"GET /api/v1/priors":                              s.listPriors,
		"GET /api/v1/files":                               s.listFiles,
		"POST /api/v1/pictures":                           s.addPicture,
		"GET /api/v1/pictures/{id}":                       s.showPicture,
		"DELETE /api/v1/pictures/{id}":                    s.deletePicture,
		"GET /api/v1/pictures/{id}/file":                  s.download,
		"GET /api/v1/pictures/{id}/tiles/{level}/{x}/{y}": s.tile,
		"POST /api/v1/plan":                               s.plan,
		"POST /api/v1/restore":                            s.restore,
		"POST /api/v1/look":                               s.lookAt,
		"POST /api/v1/prior/value":                        s.priorValue,
		"POST /api/v1/prior/map":                          s.priorMap,
		"POST /api/v1/prior/path":                         s.priorPath,
		"POST /api/v1/prior/slice":                        s.priorSlice,
		"POST /api/v1/prior/curve":                        s.priorCurve,
		"POST /api/v1/prior/verify":                       s.priorVerify,
		"POST /api/v1/changed":                            s.changed,
		"GET /api/v1/results/{id}/figure":                 s.figure,
		"GET /api/v1/results/{id}/at":                     s.sliceAt,
		"GET /api/v1/training":                            s.training,
		"GET /api/v1/training/figure":                     s.trainingFigure,
	} {
		mux.HandleFunc(pattern, h)
	}
	if c.Page != nil {
		mux.Handle("GET /", page(c.Page))
	}
	s.handler = s.guard.wrap(s.counted(mux))
	return s
}

// ServeHTTP serves one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// page serves the files of the page, which the browser requests every time: they
// change with the program.
func page(files fs.FS) http.Handler {
	h := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		h.ServeHTTP(w, r)
	})
}

// grace is how long requests may go on when the server is told to stop.
const grace = 5 * time.Second

// Serve answers on l until ctx ends. Then it accepts no more connections, running work
// has a few seconds to finish, and the rest is cancelled.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	if a, err := net.ResolveTCPAddr("tcp", l.Addr().String()); err == nil && !a.IP.IsLoopback() && s.config.Token == "" {
		l.Close()
		return fmt.Errorf("%s can be reached from other machines: that wants a token", l.Addr())
	}
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return work },
	}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		wait, done := context.WithTimeout(work, grace)
		defer done()
		err := server.Shutdown(wait)
		cancel()
		if err != nil { // what is cancelled ends in good order, too
			last, done := context.WithTimeout(context.Background(), grace)
			defer done()
			err = server.Shutdown(last)
		}
		if err != nil {
			server.Close()
		}
		stopped <- nil
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

// fail answers with an error.
func fail(w http.ResponseWriter, status int, format string, args ...any) {
	w.Header().Set("Cache-Control", "no-store")
	reply(w, status, struct {
		Error string `json:"error"`
	}{fmt.Sprintf(format, args...)})
}

// reply answers with JSON.
func reply(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":"the answer is no JSON"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(b, '\n'))
}

// A statusError is an error with the status to answer with.
type statusError struct {
	status int
	error
}

func (e statusError) Unwrap() error { return e.error }

func bad(format string, args ...any) error {
	return statusError{http.StatusBadRequest, fmt.Errorf(format, args...)}
}

func missing(what, id string) error {
	return statusError{http.StatusNotFound, fmt.Errorf("no %s %q: it may have been dropped to make room", what, id)}
}

// statusOf is the status of an error of the work.
func statusOf(err error) int {
	var s statusError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &s):
		return s.status
	case errors.Is(err, errBusy):
		return http.StatusTooManyRequests
	case errors.As(err, &large):
		return http.StatusRequestEntityTooLarge
	case errors.As(err, new(*restore.OptionError)), errors.As(err, new(*restore.ChannelsError)),
		errors.As(err, new(*explore.LevelError)), errors.As(err, new(*explore.PlaneError)):
		return http.StatusBadRequest
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return 499 // the client has gone
	}
	return http.StatusUnprocessableEntity
}

// refuse answers with an error of the work.
func (s *Server) refuse(w http.ResponseWriter, err error) {
	status := statusOf(err)
	if status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "5")
	}
	fail(w, status, "%s", oneLine(err))
}

func oneLine(err error) string {
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return fmt.Sprintf("the request is longer than the limit of %d bytes", large.Limit)
	}
	return strings.TrimPrefix(strings.Join(strings.Fields(err.Error()), " "), "restore: ")
}

// ownerOf is who sends a request. Clients of one address tell themselves apart by the
// header Lpn-Client.
func ownerOf(r *http.Request) owner {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	c := r.Header.Get("Lpn-Client")
	return owner{host, c[:min(len(c), 64)]}
}

// readTime is how long a client may take to send a request.
const readTime = 2 * time.Minute

// read bounds the body of a request in length and time; done lifts the latter.
func read(w http.ResponseWriter, r *http.Request, most int64) (done func()) {
	c := http.NewResponseController(w)
	c.SetReadDeadline(time.Now().Add(readTime))
	r.Body = http.MaxBytesReader(w, r.Body, most)
	return func() { c.SetReadDeadline(time.Time{}) }
}

// mostJSON bounds requests in JSON.
const mostJSON = 1 << 20

// decode reads a request in JSON. Fields that it does not know are errors: a misspelt
// option must not be ignored.
func decode(w http.ResponseWriter, r *http.Request, v any) error {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return statusError{http.StatusUnsupportedMediaType, errors.New("want Content-Type: application/json")}
	}
	defer read(w, r, mostJSON)()
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return badJSON(err)
	}
	if d.More() {
		return bad("the request goes on after its JSON object")
	}
	return nil
}

func badJSON(err error) error {
	if errors.As(err, new(*http.MaxBytesError)) {
		return err
	}
	return bad("the request is not what is wanted: %s", strings.TrimPrefix(err.Error(), "json: "))
}

// metrics count for /metrics.
type metrics struct {
	requests, failed, restored, cancelled, iterations, uploaded atomic.Int64
	micros                                                      atomic.Int64 // spent restoring
}

// counted counts requests and keeps a panic in one from ending the others.
func (s *Server) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.metrics.requests.Add(1)
		defer func() {
			if v := recover(); v != nil {
				if v == http.ErrAbortHandler {
					panic(v)
				}
				s.metrics.failed.Add(1)
				if s.config.Log != nil {
					s.config.Log(fmt.Sprintf("%s %s: %v", r.Method, r.URL.Path, v))
				}
				fail(w, http.StatusInternalServerError, "the server has a fault")
			}
		}()
		next.ServeHTTP(w, r)
	})
}

func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	reply(w, http.StatusOK, struct {
		Status string `json:"status"`
	}{"ok"})
}

func (s *Server) writeMetrics(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	line := func(name, kind, help string, v any) {
		fmt.Fprintf(w, "# HELP lpn_%s %s\n# TYPE lpn_%s %s\nlpn_%s %v\n", name, help, name, kind, name, v)
	}
	m := &s.metrics
	running, waiting := s.heavy.counts()
	items, bytes := s.items.counts()
	line("requests_total", "counter", "Requests that were answered or refused.", m.requests.Load())
	line("faults_total", "counter", "Requests that failed by a fault of the server.", m.failed.Load())
	line("restorations_total", "counter", "Pictures that were restored.", m.restored.Load())
	line("cancelled_total", "counter", "Restorations that were cancelled.", m.cancelled.Load())
	line("iterations_total", "counter", "Iterations of the solvers.", m.iterations.Load())
	line("restoring_seconds_total", "counter", "Time spent restoring.", float64(m.micros.Load())/1e6)
	line("uploaded_bytes_total", "counter", "Bytes of the pictures that were sent.", m.uploaded.Load())
	line("jobs_running", "gauge", "Restorations and explorations under way.", running)
	line("jobs_waiting", "gauge", "Restorations and explorations that wait.", waiting)
	line("stored_items", "gauge", "Pictures and results that are kept.", items)
	line("stored_bytes", "gauge", "Memory that they take.", bytes)
}
