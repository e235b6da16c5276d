package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/apache/beam/sdks/v2/go/container/tools"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/metrics"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/runtime"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/runtime/harness"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/options/jobopts"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/flink"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/util/grpcx"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/x/beamx"
)

const usage = `lpn-beam restore --input PATTERN --output DIR [flags]

Restores pictures as lpn restore does, on this machine or on a cluster. PATTERN is a file, a
folder, a pattern such as 'scans/*.tif' or gs://bucket/scans/**.tif, or a file .txt or .jsonl that
lists inputs, one a line; --input may be repeated. DIR gets the pictures, manifest.jsonl with a
line an input, and failed.jsonl with those that failed. A run passes over what manifest.jsonl
says is done.

`

// inputs are the patterns of --input.
type inputs []string

func (p *inputs) String() string     { return strings.Join(*p, " ") }
func (p *inputs) Set(s string) error { *p = append(*p, s); return nil }

var (
	settings Settings
	patterns inputs

	// A runner that starts workers as processes calls the program with these, and
	// with Beam's --id.
	provision = flag.String("provision_endpoint", "", "where a worker asks what to do (set by runners)")
	_         = flag.String("artifact_endpoint", "", "unused: the program is its own artifact (set by runners)")
)

func main() {
	settings.register(flag.CommandLine)
	flag.Var(&patterns, "input", "restore what `PATTERN` stands for; may be repeated")
	flag.Usage = func() { help(flag.CommandLine.Output()) }
	args := os.Args[1:]
	command := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		command, args = args[0], args[1:]
	}
	flag.CommandLine.Parse(args)
	beam.Init() // a worker that Beam's own container starts ends here
	var err error
	switch {
	case *provision != "":
		err = work(context.Background(), flag.Lookup("id").Value.String(), *provision)
	case command != "restore" || flag.NArg() > 0:
		help(os.Stderr)
		os.Exit(2)
	default:
		err = run(context.Background(), os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "lpn-beam:", err)
		os.Exit(1)
	}
}

// help writes the flags that are ours, and Beam's that most need.
func help(w io.Writer) {
	fmt.Fprint(w, usage)
	ours := flag.NewFlagSet("", flag.ContinueOnError)
	new(Settings).register(ours)
	ours.Var(new(inputs), "input", flag.Lookup("input").Usage)
	for _, name := range []string{"runner", "endpoint", "environment_type", "environment_config", "parallelism", "job_name"} {
		f := flag.Lookup(name)
		ours.Var(f.Value, name, f.Usage)
	}
	ours.SetOutput(w)
	ours.PrintDefaults()
}

// run runs the pipeline and says what came of it.
func run(ctx context.Context, out io.Writer) error {
	if len(patterns) == 0 {
		return errors.New("--input: none; want a pattern, a folder or a list")
	}
	if err := everywhere(); err != nil {
		return err
	}
	if _, err := settings.open(); err != nil {
		return err
	}
	if r := settings.Reference; r != "" && scheme(r) == "" {
		if _, err := os.Stat(r); err != nil {
			return fmt.Errorf("--reference: %w", err)
		}
	}
	sealed, err := settings.Sealed()
	if err != nil {
		return err
	}
	p, s := beam.NewPipelineWithRoot()
	build(s, sealed, patterns)
	start := time.Now()
	result, err := beamx.RunWithMetrics(ctx, p)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, summary(result.Metrics(), time.Since(start)))
	if sealed.Shards > 1 {
		return nil
	}
	line, err := sealed.tally(ctx)
	if err == nil {
		fmt.Fprintln(out, line)
	}
	return err
}

// everywhere makes the flags mean the same in workers: names of files are absolute, and
// the program is this one.
func everywhere() (err error) {
	for i := range patterns {
		if patterns[i], err = absolute(patterns[i]); err != nil {
			return err
		}
	}
	if err := settings.absolute(); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	defaults := [][2]string{{"runner", "prism"}, {"worker_binary", self}}
	if strings.EqualFold(*jobopts.EnvironmentType, "process") {
		defaults = append(defaults, [2]string{"environment_config", text(map[string]string{"command": self})})
	}
	for _, d := range defaults {
		if f := flag.Lookup(d[0]); f.Value.String() == "" {
			flag.Set(d[0], d[1])
		}
	}
	return nil
}

// tally is what the manifest holds, in a line: it is exact, which counters need not be. A
// runner may count again what it does again; Prism loses counts of bundles that end while
// it still learns the counters' names.
func (s Settings) tally(ctx context.Context) (string, error) {
	b, err := getBytes(ctx, s.manifest("manifest", 0))
	if err != nil {
		return "", err
	}
	inputs, failed, suspect := 0, 0, 0
	for line := range bytes.Lines(b) {
		r := parse[Record](string(line))
		inputs++
		if r.Error != nil {
			failed++
		} else if r.Suspect != nil {
			suspect++
		}
	}
	return fmt.Sprintf("in %s: %d inputs, %d suspect, %d failed", s.manifest("manifest", 0), inputs, suspect, failed), nil
}

// summary is what a run counted, in a line.
func summary(m metrics.Results, took time.Duration) string {
	n := counters(m)
	return fmt.Sprintf("%d restored (%d suspect), %d skipped, %d failed; %.1f megapixels, %.1f s of work in %.1f s",
		n["files"], n["suspects"], n["skipped"], n["failed"], float64(n["kilopixels"])/1e3, float64(n["milliseconds"])/1e3, took.Seconds())
}

// counters are the counters of a run by name, and the sums of the distributions.
func counters(m metrics.Results) map[string]int64 {
	n := map[string]int64{}
	all := m.Query(func(r metrics.SingleResult) bool { return r.Namespace() == "lpn" })
	for _, c := range all.Counters() {
		n[c.Name()] += c.Result()
	}
	for _, d := range all.Distributions() {
		n[d.Name()] += d.Result().Sum
	}
	return n
}

// work is a worker, until the runner ends it: the program is started as it is by
// --environment_type PROCESS, without a container.
func work(ctx context.Context, id, endpoint string) error {
	ctx = grpcx.WriteWorkerID(ctx, id)
	info, err := tools.ProvisionInfo(ctx, endpoint)
	if err != nil {
		return err
	}
	if o := info.GetPipelineOptions(); o != nil {
		text, err := tools.ProtoToJSON(o)
		if err != nil {
			return err
		}
		var options runtime.RawOptionsWrapper
		if err := json.Unmarshal([]byte(text), &options); err != nil {
			return fmt.Errorf("pipeline options: %w", err)
		}
		runtime.GlobalOptions.Import(options.Options)
	}
	return harness.MainWithOptions(ctx, info.GetLoggingEndpoint().GetUrl(), info.GetControlEndpoint().GetUrl(), harness.Options{
		StatusEndpoint:     info.GetStatusEndpoint().GetUrl(),
		RunnerCapabilities: slices.Clone(info.GetRunnerCapabilities()),
	})
}
