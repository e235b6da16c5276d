package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/lpn-imaging/lpn/lpn/explore"
	"github.com/schollz/progressbar/v3"
	"github.com/urfave/cli/v2"
	"golang.org/x/term"
)

// A console is where a command reads, writes and talks: data on out, all else
// on err.
type console struct {
	in       io.Reader
	out, err io.Writer
	json     bool // out carries one JSON object and nothing else
	quiet    bool // no progress, no remarks
	terminal bool // err is one
	bar      *progressbar.ProgressBar
	said     map[string]bool // what remarkOnce has said
	log      *slog.Logger    // where what goes to err is structured, else nil
	mu       sync.Mutex      // of all that writes to err, and of bar and said
}

func newConsole(c *cli.Context) *console {
	con := &console{in: c.App.Reader, out: c.App.Writer, err: c.App.ErrWriter,
		json: c.Bool("json"), quiet: c.Bool("quiet")}
	con.terminal = isTerminal(con.err)
	if c.String("log-format") == "json" {
		con.log, con.terminal = newLogger(con.err), false
	}
	return con
}

// newLogger writes one JSON object a line.
func newLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewJSONHandler(w, nil)) }

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// remark says something worth knowing on stderr.
func (con *console) remark(format string, args ...any) {
	switch {
	case con.quiet:
	case con.log != nil:
		con.log.Info(fmt.Sprintf(format, args...))
	default:
		con.complain(format, args...)
	}
}

// remarkOnce is remark, except that it says nothing twice.
func (con *console) remarkOnce(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	con.mu.Lock()
	if con.said == nil {
		con.said = map[string]bool{}
	}
	before := con.said[line]
	con.said[line] = true
	con.mu.Unlock()
	if !before {
		con.remark("%s", line)
	}
}

// complain prints a line on stderr, quiet or not.
func (con *console) complain(format string, args ...any) {
	con.mu.Lock()
	defer con.mu.Unlock()
	if con.log != nil {
		con.log.Warn(fmt.Sprintf(format, args...))
		return
	}
	if con.bar != nil {
		con.bar.Clear()
	}
	fmt.Fprintf(con.err, "lpn: "+format+"\n", args...)
}

// tell prints the line of a job on stdout, or on stderr where its picture goes there.
func (con *console) tell(line string, aside bool) {
	con.mu.Lock()
	defer con.mu.Unlock()
	if con.bar != nil {
		con.bar.Clear()
	}
	switch {
	case !aside:
		fmt.Fprintln(con.out, line)
	case con.log != nil && !con.quiet:
		con.log.Info(line)
	case !con.quiet:
		fmt.Fprintln(con.err, line)
	}
}

// printJSON writes v as the command's one JSON object.
func (con *console) printJSON(v any) error {
	e := json.NewEncoder(con.out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// A number is a float64 that JSON can hold: null when it is not finite.
type number = explore.Number

// A progress shows how far a long piece of work is: a bar on a terminal,
// otherwise a line every five seconds.
type progress struct {
	con   *console
	what  string
	total int
	first int // done when it was first told: a resumed training begins late
	idle  int // of those done, how many took no work
	start time.Time
	last  time.Time
}

const progressEvery = 5 * time.Second

func (con *console) progress(what string, total int) *progress {
	con.mu.Lock()
	defer con.mu.Unlock()
	now := time.Now()
	p := &progress{con: con, what: what, total: total, first: -1, start: now, last: now}
	if con.terminal && !con.quiet {
		con.bar = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(con.err),
			progressbar.OptionSetDescription(what),
			progressbar.OptionShowCount(),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(),
			progressbar.OptionEnableColorCodes(false))
	}
	return p
}

// batch reports how many inputs are done, and how many of them were passed over.
func (p *progress) batch(done, skipped int) {
	p.idle, p.first = skipped, 0
	p.at(done, rate(done-skipped, time.Since(p.start)))
}

// at reports that done of the total are finished; detail follows the count.
func (p *progress) at(done int, detail string) {
	if p.first < 0 {
		p.first, p.start = done, time.Now()
	}
	p.con.mu.Lock()
	defer p.con.mu.Unlock()
	switch {
	case p.con.quiet:
	case p.con.bar != nil:
		if detail != "" {
			p.con.bar.Describe(p.what + " " + detail)
		}
		p.con.bar.Set(done)
	case time.Since(p.last) >= progressEvery:
		p.last = time.Now()
		if p.con.log != nil {
			p.con.log.Info(p.what, "done", done, "total", p.total, "seconds", time.Since(p.start).Seconds(), "detail", detail)
			return
		}
		left := ""
		if worked := done - p.first - p.idle; worked > 0 && done < p.total {
			eta := time.Duration(float64(time.Since(p.start)) / float64(worked) * float64(p.total-done))
			left = fmt.Sprintf(", about %s left", eta.Round(time.Second))
		}
		if detail != "" {
			detail = ", " + detail
		}
		fmt.Fprintf(p.con.err, "%s: %d of %d%s%s\n", p.what, done, p.total, detail, left)
	}
}

// end removes the bar.
func (p *progress) end() {
	p.con.mu.Lock()
	defer p.con.mu.Unlock()
	if p.con.bar != nil {
		p.con.bar.Finish()
		p.con.bar = nil
	}
}

// unused remarks on flags that were given and that nothing asks for.
func unused(c *cli.Context, con *console, why string, flags ...string) {
	for _, f := range flags {
		if c.IsSet(f) {
			con.remark("--%s is not used: %s", f, why)
		}
	}
}
