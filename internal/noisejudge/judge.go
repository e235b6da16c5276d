package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lpn-imaging/lpn/internal/imageio"
)

// A judge runs the program.
type judge struct {
	lpn, work string
	every     int
	files     bool
}

// A result is what the program's JSON says of a file.
type result struct {
	Input     string  `json:"input"`
	Output    string  `json:"output"`
	Noise     float64 `json:"noise"`
	NoiseLine string  `json:"noise_line"`
	Choice    string  `json:"choice"`
	Note      string  `json:"note"`
	Suspect   *string `json:"suspect"`
	PSNR      float64 `json:"psnr"`
	InputPSNR float64 `json:"input_psnr"`
}

// said is what people read of a result.
func (r result) said() string {
	parts := []string{r.Choice, r.NoiseLine, r.Note}
	if r.Suspect != nil {
		parts = append(parts, "SUSPECT: "+*r.Suspect)
	}
	return cmp.Or(strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "; "), "no noise was found")
}

// restore restores files, with flags, in their order.
func (j judge) restore(files []string, flags ...string) ([]result, error) {
	to, err := os.MkdirTemp(j.work, "out")
	if err != nil {
		return nil, err
	}
	args := slices.Concat([]string{"restore", "--quiet", "--json", "-o", to + "/{name}.{ext}"}, flags, files)
	if len(files) == 1 {
		args[4] = filepath.Join(to, stem(files[0])+kept(files[0]))
	} else {
		args[4] = filepath.Join(to, "{name}"+kept(files[0]))
	}
	out, remarks, err := j.run(args...)
	if err != nil {
		return nil, fmt.Errorf("lpn %s: %w\n%s", strings.Join(args[:min(len(args), 12)], " "), err, remarks)
	}
	var all struct{ Results []result }
	if len(files) == 1 {
		all.Results = make([]result, 1)
		err = json.Unmarshal(out, &all.Results[0])
	} else {
		err = json.Unmarshal(out, &all)
	}
	if err == nil && len(all.Results) != len(files) {
		err = fmt.Errorf("%d results of %d files", len(all.Results), len(files))
	}
	slices.SortFunc(all.Results, func(a, b result) int {
		return slices.Index(files, a.Input) - slices.Index(files, b.Input)
	})
	return all.Results, err
}

// kept is the extension of what holds a restoration without loss.
func kept(input string) string {
	if filepath.Ext(input) == ".npy" {
		return ".npy"
	}
	return ".png"
}

// run runs the program and returns what it prints and what it remarks.
func (j judge) run(args ...string) (out, remarks []byte, err error) {
	c := exec.Command(j.lpn, args...)
	var a, b bytes.Buffer
	c.Stdout, c.Stderr = &a, &b
	err = c.Run()
	return a.Bytes(), b.Bytes(), err
}

// line prints a line of a file, where that is asked for, on stderr.
func (j judge) line(format string, args ...any) {
	if j.files {
		fmt.Fprintf(os.Stderr, format+"\n", args...)
	}
}

// pictures are every so many-th of a folder's.
func (j judge) pictures(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, e := range entries {
		if ext := strings.ToLower(filepath.Ext(e.Name())); slices.Contains(imageio.Extensions, ext) {
			all = append(all, filepath.Join(dir, e.Name()))
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: no pictures", dir)
	}
	var some []string
	for i := 0; i < len(all); i += j.every {
		some = append(some, all[i])
	}
	return some, nil
}

// distance is the PSNR of a picture against another of its size, in dB, and the largest
// difference.
func distance(a, b string) (psnr, most float64, err error) {
	p, err := read(a)
	if err != nil {
		return 0, 0, err
	}
	q, err := read(b)
	if err != nil {
		return 0, 0, err
	}
	if p.Shape != q.Shape {
		return 0, 0, fmt.Errorf("%s is %v, %s %v", a, p.Shape, b, q.Shape)
	}
	sum := 0.0
	for i, v := range p.Pix {
		d := math.Abs(float64(v - q.Pix[i]))
		sum, most = sum+d*d, max(most, d)
	}
	return -10 * math.Log10(sum/float64(len(p.Pix))), most, nil
}

// decibels is a PSNR in words.
func decibels(v float64) string {
	if math.IsInf(v, 1) {
		return "the same"
	}
	return fmt.Sprintf("%.1f dB", v)
}

func stem(path string) string {
	name := filepath.Base(path)
	return strings.TrimSuffix(name, filepath.Ext(name))
}

// link makes a folder and, in it, another name of a file.
func link(file, name string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return err
	}
	file, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	return os.Symlink(file, name)
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
