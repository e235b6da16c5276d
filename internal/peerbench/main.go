package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lpn-imaging/lpn/internal/kernel"
)

// A Row is one comparison. Peer is the time of the fastest rival.
type Row struct {
	Name     string  `json:"name"`
	Ours     float64 `json:"ours_ms"`
	Peer     float64 `json:"peer_ms"`
	Ratio    float64 `json:"ratio"`
	Eager    float64 `json:"eager_ms,omitempty"`
	Compiled float64 `json:"compiled_ms,omitempty"`
	Note     string  `json:"note,omitempty"` // the rivals' memory layouts, or why there is no compiled one
}

// A Report is everything that was measured.
type Report struct {
	About string `json:"about"` // both sides, by version
	Rows  []Row  `json:"rows"`
	// MemoryMiB is the peak memory of one prox on 4096x4096 gray, 0 when it
	// was not measured.
	MemoryMiB float64  `json:"memory_mib,omitempty"`
	Missing   string   `json:"missing,omitempty"`
	Failed    []string `json:"failed,omitempty"`
}

// A side runs its work some times and returns the milliseconds of one run.
type side func(times int) (float64, error)

// A rival is one way in which the peer does the work: "eager" or "compiled" for
// PyTorch, "" if there is but one.
type rival struct {
	how string
	run side
}

// A contest is a row that is ready to be measured: both sides agree.
type contest struct {
	ours   side
	rivals []rival
	note   string
	done   func()
}

// A bench is a row to be measured. setup prepares the sides and checks that they
// agree.
type bench struct {
	name  string
	needs string // "torch", "scipy" or nothing
	setup func(p *peer) (contest, error)
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == memoryFlag {
		os.Exit(memoryMain())
	}
	if len(os.Args) == 3 && os.Args[1] == networkFlag {
		os.Exit(networkMain(os.Args[2]))
	}
	asJSON := flag.Bool("json", false, "print one JSON object")
	only := flag.String("only", "", "measure the rows whose name matches this regular expression")
	rounds := flag.Int("rounds", 7, "alternations of the two sides")
	threads := flag.Int("threads", 1, "threads of both sides, in rows that do not say otherwise")
	flag.BoolVar(&cpuTime, "cpu", false, "measure the processor's time instead of the clock: for rows of one thread on a busy machine")
	flag.BoolVar(&eagerOnly, "eager", false, "do not compile PyTorch's side, which takes half a minute a row")
	python := flag.String("python", "", "Python interpreter (default: the first of python3, /usr/bin/python3 that has PyTorch)")
	file := flag.String("file", "", "measure only lpn restore, PNG to PNG, beside its network, on a picture of `WxH` pixels")
	denoise := flag.String("denoise", "", "measure only whole denoising, of a picture of `WxH` pixels")
	colour := flag.Bool("colour", false, "with -denoise, in colour")
	pictures := flag.String("pictures", "", "with -denoise, the `folder` of PNG files for the PSNR (default: the picture that is timed)")
	flag.Parse()
	match, err := regexp.Compile(*only)
	if err != nil || flag.NArg() > 0 || *rounds < 1 || *threads < 1 {
		fmt.Fprintln(os.Stderr, "peerbench: want -only REGEXP, -rounds and -threads of at least 1, and no arguments")
		os.Exit(2)
	}
	interpreters := []string{"python3", "/usr/bin/python3"}
	if *python != "" {
		interpreters = []string{*python}
	}
	if size := *file + *denoise; size != "" {
		var w, h int
		if _, err := fmt.Sscanf(size, "%dx%d", &w, &h); err != nil || w < 8 || h < 8 {
			fmt.Fprintln(os.Stderr, "peerbench: want a size such as 4000x3000")
			os.Exit(2)
		}
		if *file != "" {
			err = fileMain(w, h, *rounds)
		} else {
			c := comparison{h: h, w: w, channels: 1, folder: *pictures, rounds: *rounds, threads: *threads}
			if *colour {
				c.channels = 3
			}
			err = denoiseMain(os.Stdout, interpreters, c)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "peerbench:", err)
			os.Exit(1)
		}
		return
	}
	r := measure(match, interpreters, *rounds, *threads)
	if *asJSON {
		b, _ := json.Marshal(r)
		fmt.Println(string(b))
	} else {
		r.table(os.Stdout)
	}
	if r.Missing != "" || len(r.Failed) > 0 {
		os.Exit(1)
	}
}

func measure(match *regexp.Regexp, interpreters []string, rounds, threads int) Report {
	r := Report{Rows: []Row{}}
	var missing []string
	p, err := startPeer(interpreters)
	if err != nil {
		p = nil
		missing = append(missing, err.Error())
	} else {
		defer p.close()
	}
	r.About = about(p, threads)
	fmt.Fprintln(os.Stderr, "peerbench:", r.About)
	if p == nil || p.Torch == "" {
		missing = append(missing, "PyTorch is missing (pip install -r internal/peerbench/requirements.txt)")
	}
	if p == nil || p.Scipy == "" {
		missing = append(missing, "SciPy is missing (pip install -r internal/peerbench/requirements.txt)")
	}
	if r.Missing = strings.Join(missing, "; "); r.Missing != "" {
		fmt.Fprintln(os.Stderr, "peerbench:", r.Missing)
	}
	for _, b := range benches(threads) {
		if !match.MatchString(b.name) || b.needs == "torch" && (p == nil || p.Torch == "") || b.needs == "scipy" && (p == nil || p.Scipy == "") {
			continue
		}
		fmt.Fprintln(os.Stderr, "peerbench:", b.name)
		row, err := b.measure(p, rounds)
		if err != nil {
			msg := fmt.Sprintf("%s: %v", b.name, err)
			fmt.Fprintln(os.Stderr, "peerbench:", msg)
			r.Failed = append(r.Failed, msg)
			continue
		}
		r.Rows = append(r.Rows, row)
	}
	if match.MatchString("memory") {
		if r.MemoryMiB, err = memory(); err != nil {
			r.Failed = append(r.Failed, "memory: "+err.Error())
		}
	}
	return r
}

// about says what is compared: both sides by version, and the cores. p may be nil.
func about(p *peer, threads int) string {
	clock := "wall time"
	if cpuTime {
		clock = "the processor's time"
	}
	s := fmt.Sprintf("%s, %v, threads %d of %d cores, %s", runtime.Version(), kernel.CPU(), threads, runtime.NumCPU(), clock)
	if p == nil {
		return s
	}
	s += "; Python " + p.Python
	if p.Torch != "" {
		s += fmt.Sprintf(", PyTorch %s (%s)", p.Torch, p.About)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Others)) {
		s += ", " + name + " " + p.Others[name]
	}
	return s
}

// measure alternates the sides; each turn lasts some 100 ms at least.
func (b bench) measure(p *peer, rounds int) (Row, error) {
	c, err := b.setup(p)
	if err != nil {
		return Row{}, err
	}
	defer c.done()
	sides := []side{c.ours}
	for _, r := range c.rivals {
		sides = append(sides, r.run)
	}
	times := make([]int, len(sides))
	for i, s := range sides {
		ms, err := s(1) // warm up
		if err == nil {
			ms, err = s(1)
		}
		if err != nil {
			return Row{}, err
		}
		times[i] = max(1, min(1000, int(100/ms)))
	}
	ms := make([][]float64, len(sides))
	for range rounds {
		for i, s := range sides {
			v, err := s(times[i])
			if err != nil {
				return Row{}, err
			}
			ms[i] = append(ms[i], v)
		}
	}
	row := Row{Name: b.name, Ours: round(median(ms[0])), Peer: math.Inf(1), Note: c.note}
	for i, r := range c.rivals {
		t := round(median(ms[i+1]))
		row.Peer = min(row.Peer, t)
		switch r.how {
		case "eager":
			row.Eager = t
		case "compiled":
			row.Compiled = t
		}
	}
	row.Ratio = round(row.Peer / row.Ours)
	return row, nil
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	n := len(x)
	return (x[(n-1)/2] + x[n/2]) / 2
}

// round keeps four digits.
func round(v float64) float64 {
	if v == 0 {
		return 0
	}
	k := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*k) / k
}

// timed makes a side of a function.
func timed(f func()) side {
	return func(times int) (float64, error) {
		start := now()
		for range times {
			f()
		}
		return float64(now()-start) / 1e6 / float64(times), nil
	}
}

// cpuTime has both sides measured by the processor's time of their process.
var cpuTime bool

var started = time.Now()

// now is the time since some moment.
func now() time.Duration {
	if cpuTime {
		return processTime()
	}
	return time.Since(started)
}

func (r Report) table(w io.Writer) {
	fmt.Fprintln(w, r.About)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "ours ms\teager ms\tcompiled ms\tpeer ms\tratio\t")
	shown := func(ms float64) string {
		if ms == 0 {
			return "-"
		}
		return fmt.Sprintf("%.4g", ms)
	}
	for _, x := range r.Rows {
		name := x.Name
		if x.Note != "" {
			name += " (" + x.Note + ")"
		}
		fmt.Fprintf(t, "%.4g\t%s\t%s\t%.4g\t%.2f\t  %s\n", x.Ours, shown(x.Eager), shown(x.Compiled), x.Peer, x.Ratio, name)
	}
	t.Flush()
	if r.MemoryMiB > 0 {
		fmt.Fprintf(w, "peak memory of one prox on 4096x4096 gray: %.0f MiB\n", r.MemoryMiB)
	}
}

const memoryFlag = "measure-memory"

// memory runs one large prox in a process of its own and returns its peak
// resident memory in MiB.
func memory() (float64, error) {
	exe, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(exe, memoryFlag)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, err
	}
	var kib float64
	if _, err := fmt.Sscan(string(out), &kib); err != nil {
		return 0, fmt.Errorf("no peak memory on this system: %w", err)
	}
	return math.Round(kib / 1024), nil
}

// memoryMain is that process: it prints VmHWM in KiB.
func memoryMain() int {
	b, err := largeProx()
	if err == nil {
		b(1)
		var status []byte
		if status, err = os.ReadFile("/proc/self/status"); err == nil {
			_, rest, _ := strings.Cut(string(status), "VmHWM:")
			fmt.Println(strings.Fields(rest + " 0")[0])
			return 0
		}
	}
	fmt.Fprintln(os.Stderr, "peerbench:", err)
	return 1
}
