// Command noisejudge prints how well noise is found and removed where the truth is
// known, by the program lpn at its defaults:
//
//	noisejudge levels DIR      white noise of 2 to 50/255 on the gray pictures of DIR, as they
//	                           are, with a flat bar and with a clipped part: is it found?
//	noisejudge camera DIR      xNN.png against yNN_*: the file, the best single white level,
//	                           chosen by looking at the truth, and nothing given
//	noisejudge clean DIR       the pictures of DIR as they are: what a restoration changes
//	noisejudge drawn           the same of text, drawings, screenshots and stars
//	noisejudge low DIR         white noise of 0.001 to 0.008 on the pictures of DIR and on
//	                           drawn ones, in 16 bits
//	noisejudge varying DIR     noise of variance a v + b at the brightness v on the pictures of
//	                           DIR, in 8 bits: nothing given against a and b given
//	noisejudge counts X Y      photon counts Y of the picture X, both .npy
//	noisejudge real DIR        photographs as they are: what is said of them
//	noisejudge cases DIR       small inputs that programs fail at, a folder each
//	noisejudge measured DIR    those of them that are measurements of other machines
//
// -every N takes every N-th picture, -lpn names the program, -files prints a line a file.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/scenes"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

func main() {
	every := flag.Int("every", 1, "take every N-th picture")
	program := flag.String("lpn", "lpn", "the program")
	files := flag.Bool("files", false, "print a line a file")
	flag.Parse()
	err := func() error {
		args := flag.Args()
		if len(args) == 0 {
			return fmt.Errorf("want levels, camera, clean, drawn, low, varying, counts, real, cases or measured")
		}
		work, err := os.MkdirTemp("", "noisejudge")
		if err != nil {
			return err
		}
		defer os.RemoveAll(work)
		j := judge{lpn: *program, work: work, every: *every, files: *files}
		switch what, n := args[0], len(args)-1; {
		case what == "levels" && n == 1:
			return j.levels(args[1])
		case what == "camera" && n == 1:
			return j.camera(args[1])
		case what == "clean" && n == 1:
			return j.clean(args[1])
		case what == "drawn" && n == 0:
			return j.drawn()
		case what == "low" && n == 1:
			return j.low(args[1])
		case what == "varying" && n == 1:
			return j.varying(args[1])
		case what == "counts" && n == 2:
			return j.counts(args[1], args[2])
		case what == "real" && n == 1:
			return j.real(args[1])
		case what == "cases" && n == 1:
			return j.cases(args[1])
		case what == "measured" && n == 1:
			return j.measured(args[1])
		}
		return fmt.Errorf("%s: see go doc for what is wanted", strings.Join(args, " "))
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "noisejudge:", err)
		os.Exit(1)
	}
}

// levels prints the errors of the level of white noise.
func (j judge) levels(dir string) error {
	files, err := j.pictures(dir)
	if err != nil {
		return err
	}
	spoils := []struct {
		name string
		do   func(x operators.Image)
	}{
		{"as it is", func(operators.Image) {}},
		{"a fifth flat", func(x operators.Image) { paint(x, x.H*4/5, x.H, 0.5) }},
		{"a fifth clipped", func(x operators.Image) { paint(x, 0, x.H/5, 1) }},
	}
	fmt.Println("| picture | noise | mean error | largest | beyond 10% |")
	fmt.Println("|---|---|---|---|---|")
	for _, spoil := range spoils {
		for _, sigma := range []float64{2, 5, 10, 25, 50} {
			rng := rand.New(rand.NewPCG(0, 0))
			beyond, sum, worst := 0, 0.0, 0.0
			for _, file := range files {
				x, err := read(file)
				if err != nil {
					return err
				}
				operators.AddGaussian(x.Pix, x.Pix, sigma/255, rng)
				spoil.do(x.Image)
				round(x.Pix, 8)
				e := math.Abs(noise.Find(x.Image, noise.Hints{}).Deviation*255/sigma - 1)
				sum, worst = sum+e, max(worst, e)
				if e > 0.1 {
					beyond++
				}
			}
			fmt.Printf("| %s | %g/255 | %.1f%% | %.1f%% | %d of %d |\n", spoil.name, sigma, 100*sum/float64(len(files)), 100*worst, beyond, len(files))
		}
	}
	return nil
}

func paint(x operators.Image, from, to int, v float32) {
	for i := from * x.W; i < to*x.W; i++ {
		x.Pix[i] = v
	}
}

// camera compares with the best single level of white noise: that of each picture, and
// that of all pictures of a kind.
func (j judge) camera(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "y*"))
	if err != nil || len(files) == 0 {
		return cmp.Or(err, fmt.Errorf("%s: no files y*", dir))
	}
	truths := filepath.Join(j.work, "truth")
	var chosen []string
	for i := 0; i < len(files); i += j.every {
		name := filepath.Base(files[i])
		scene, _, _ := strings.Cut(strings.TrimPrefix(name, "y"), "_")
		if err := link(filepath.Join(dir, "x"+scene+".png"), filepath.Join(truths, stem(name)+".png")); err != nil {
			return err
		}
		chosen = append(chosen, files[i])
	}
	got, err := j.restore(chosen, "--reference", truths)
	if err != nil {
		return err
	}
	levels := []float64{3.5, 5, 7, 10, 14, 20, 28, 40}
	given := make([][]result, len(levels))
	for k, level := range levels {
		given[k], err = j.restore(chosen, "--reference", truths, "--operator", "denoise", "--noise", fmt.Sprintf("%g/255", level))
		if err != nil {
			return err
		}
	}
	type row struct {
		n                     int
		before, best, nothing float64
		at                    []float64 // the PSNR of each level
		least                 float64
	}
	kinds := map[string]*row{}
	for i, r := range got {
		_, kind, _ := strings.Cut(stem(r.Input), "_")
		if kinds[kind] == nil {
			kinds[kind] = &row{at: make([]float64, len(levels)), least: math.Inf(1)}
		}
		s, best, at := kinds[kind], r.InputPSNR, 0.0
		for k, level := range levels {
			p := given[k][i].PSNR
			s.at[k] += p
			if p > best {
				best, at = p, level
			}
		}
		s.n, s.before, s.best, s.nothing = s.n+1, s.before+r.InputPSNR, s.best+best, s.nothing+r.PSNR
		s.least = min(s.least, r.PSNR-best)
		j.line("%s: file %.2f, best level %g/255 %.2f, nothing given %.2f dB (%+.2f); %s", filepath.Base(r.Input), r.InputPSNR, at, best, r.PSNR, r.PSNR-best, r.said())
	}
	fmt.Println("| camera pictures | file | best level of all | best level of each | nothing given | against the best of each | worst picture |")
	fmt.Println("|---|---|---|---|---|---|---|")
	for _, kind := range sorted(kinds) {
		s := kinds[kind]
		n := float64(s.n)
		fmt.Printf("| %s | %.2f | %.2f | %.2f | %.2f | %+.2f | %+.2f |\n", kind, s.before/n, slices.Max(s.at)/n, s.best/n, s.nothing/n, (s.nothing-s.best)/n, s.least)
	}
	return nil
}

const changeHead = "| picture as it is | unchanged | at 50 dB or more | lowest | largest change of a sample |\n|---|---|---|---|---|"

// clean prints what the restoration of clean pictures changes.
func (j judge) clean(dir string) error {
	files, err := j.pictures(dir)
	if err != nil {
		return err
	}
	fmt.Println(changeHead)
	return j.changed(filepath.Base(dir), files)
}

// drawn is clean of drawn pictures.
func (j judge) drawn() error {
	fmt.Println(changeHead)
	for _, s := range drawings() {
		file := filepath.Join(j.work, s.name+".png")
		if err := write(file, s.Image, 8); err != nil {
			return err
		}
		if err := j.changed(s.name, []string{file}); err != nil {
			return err
		}
	}
	return nil
}

func (j judge) changed(what string, files []string) error {
	got, err := j.restore(files)
	if err != nil {
		return err
	}
	same, high, least, most := 0, 0, math.Inf(1), 0.0
	for _, r := range got {
		d, change, err := distance(r.Input, r.Output)
		if err != nil {
			return err
		}
		if change == 0 {
			same++
		}
		if d >= 50 {
			high++
		}
		least, most = min(least, d), max(most, change)
		j.line("%s: %s, change of %.3g/255 at most; %s", filepath.Base(r.Input), decibels(d), 255*change, r.said())
	}
	fmt.Printf("| %s | %d of %d | %d of %d | %s | %.3g/255 |\n", what, same, len(got), high, len(got), decibels(least), 255*most)
	return nil
}

// low prints what the restoration of weak noise wins.
func (j judge) low(dir string) error {
	files, err := j.pictures(dir)
	if err != nil {
		return err
	}
	kinds := map[string][]scene{}
	for _, f := range files {
		p, err := read(f)
		if err != nil {
			return err
		}
		kinds["photographs"] = append(kinds["photographs"], scene{stem(f), p.Image})
	}
	for _, s := range drawings() {
		kinds[s.name] = []scene{s}
	}
	fmt.Println("| weak white noise | 0.001 | 0.002 | 0.004 | 0.008 | lowest gain |")
	fmt.Println("|---|---|---|---|---|---|")
	for _, kind := range sorted(kinds) {
		row, least := "| "+kind+" |", math.Inf(1)
		for _, sigma := range []float64{0.001, 0.002, 0.004, 0.008} {
			truths := filepath.Join(j.work, kind, "truth")
			var noisy []string
			for i, s := range kinds[kind] {
				if err := write(filepath.Join(truths, s.name+".png"), s.Image, 16); err != nil {
					return err
				}
				y := operators.NewImage(s.Shape)
				operators.AddGaussian(y.Pix, s.Pix, sigma, rand.New(rand.NewPCG(1, uint64(i))))
				noisy = append(noisy, filepath.Join(j.work, kind, fmt.Sprint(sigma), s.name+".png"))
				if err := write(noisy[i], y, 16); err != nil {
					return err
				}
			}
			got, err := j.restore(noisy, "--reference", truths)
			if err != nil {
				return err
			}
			before, after := 0.0, 0.0
			for _, r := range got {
				gain := r.PSNR - r.InputPSNR
				before, after, least = before+r.InputPSNR, after+r.PSNR, min(least, gain)
				j.line("%s, noise %g: %.2f -> %.2f dB (%+.2f); %s", filepath.Base(r.Input), sigma, r.InputPSNR, r.PSNR, gain, r.said())
			}
			n := float64(len(got))
			row += fmt.Sprintf(" %.2f -> %.2f |", before/n, after/n)
		}
		fmt.Printf("%s %+.2f |\n", row, least)
	}
	return nil
}

// varying compares what is made of noise that depends on the brightness with what is made
// of it where its law is given.
func (j judge) varying(dir string) error {
	files, err := j.pictures(dir)
	if err != nil {
		return err
	}
	fmt.Println("| variance of the noise at v | file | nothing given | the law given | least gain, nothing given |")
	fmt.Println("|---|---|---|---|---|")
	for _, law := range []struct{ a, b float64 }{{0.003, 0.0001}, {0.01, 0.0005}, {0.03, 0.0002}} {
		rng := rand.New(rand.NewPCG(1, 2))
		var noisy []string
		for _, f := range files {
			x, err := read(f)
			if err != nil {
				return err
			}
			for i, v := range x.Pix {
				x.Pix[i] += float32(math.Sqrt(law.a*float64(v)+law.b) * rng.NormFloat64())
			}
			noisy = append(noisy, filepath.Join(j.work, fmt.Sprint(law.a), filepath.Base(f)))
			if err := write(noisy[len(noisy)-1], x.Image, 8); err != nil {
				return err
			}
		}
		found, err := j.restore(noisy, "--reference", dir)
		if err != nil {
			return err
		}
		given, err := j.restore(noisy, "--reference", dir, "--operator", "denoise", "--noise", fmt.Sprintf("camera:a=%g,b=%g", law.a, law.b))
		if err != nil {
			return err
		}
		var file, auto, told float64
		least := math.Inf(1)
		for k, r := range found {
			n := float64(len(found))
			file, auto, told = file+r.InputPSNR/n, auto+r.PSNR/n, told+given[k].PSNR/n
			least = min(least, r.PSNR-r.InputPSNR)
			j.line("%s, %g v + %g: file %.2f, nothing given %.2f, given %.2f dB; %s", filepath.Base(r.Input), law.a, law.b, r.InputPSNR, r.PSNR, given[k].PSNR, r.said())
		}
		fmt.Printf("| %g v + %g | %.2f | %.2f | %.2f | %+.2f |\n", law.a, law.b, file, auto, told, least)
	}
	return nil
}

// counts restores photon counts.
func (j judge) counts(truth, measured string) error {
	got, err := j.restore([]string{measured}, "--reference", truth)
	if err != nil {
		return err
	}
	fmt.Println("| photon counts | file | nothing given | what is found |")
	fmt.Println("|---|---|---|---|")
	fmt.Printf("| %s | %.2f | %.2f | %s |\n", stem(measured), got[0].InputPSNR, got[0].PSNR, got[0].said())
	return nil
}

// real prints what is said of photographs.
func (j judge) real(dir string) error {
	files, err := j.pictures(dir)
	if err != nil {
		return err
	}
	got, err := j.restore(files)
	if err != nil {
		return err
	}
	fmt.Println("| photograph | what is found | root mean square of what was taken away |")
	fmt.Println("|---|---|---|")
	for _, r := range got {
		d, _, err := distance(r.Input, r.Output)
		if err != nil {
			return err
		}
		fmt.Printf("| %s | %s | %.1f/255 |\n", stem(r.Input), r.said(), 255*math.Pow(10, -d/20))
	}
	return nil
}

// A scene is a picture that is known.
type scene struct {
	name string
	operators.Image
}

// drawings are the drawn pictures that restorations must leave alone.
func drawings() []scene {
	const w, h = 240, 192
	photo := scenes.Drawing(w, h)
	return []scene{
		{"text", operators.FromImage(scenes.Text(w, h))},
		{"drawing", operators.FromImage(photo)},
		{"screenshot", operators.FromImage(scenes.Screenshot(w, h, photo))},
		{"stars", operators.FromImage(scenes.Stars(w, h))},
		{"gravel", operators.FromImage(scenes.Gravel(w, h, 1, 8, rand.New(rand.NewPCG(1, 2))))},
	}
}

// round takes samples to what a file of so many bits holds.
func round(x []float32, bits int) {
	top := float64(int(1)<<bits - 1)
	for i, v := range x {
		x[i] = float32(math.Round(top*float64(min(max(v, 0), 1))) / top)
	}
}

func read(path string) (*imageio.Picture, error) {
	p, err := imageio.Read(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// write makes the folder of a file and the file.
func write(path string, m operators.Image, bits int) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return imageio.Write(path, &imageio.Picture{Image: m, Bits: bits}, imageio.Options{})
}
