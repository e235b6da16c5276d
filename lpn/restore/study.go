package restore

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// A Study is how well several methods do on the same pictures under the same conditions.
type Study struct {
	Conditions []string // such as "blur:gaussian,sigma=1.6, noise 0.01"
	Methods    []string
	Pictures   []string
	// Quality is that of condition, method and picture, NaN where the method failed.
	Quality [][][]Quality
}

// NewStudy is a study without results.
func NewStudy(conditions, methods, pictures []string) *Study {
	s := &Study{Conditions: conditions, Methods: methods, Pictures: pictures}
	for range conditions {
		var c [][]Quality
		for range methods {
			row := make([]Quality, len(pictures))
			for i := range row {
				row[i] = Quality{math.NaN(), math.NaN(), math.NaN()}
			}
			c = append(c, row)
		}
		s.Quality = append(s.Quality, c)
	}
	return s
}

// Mean averages what is finite over the pictures, NaN when nothing is.
func (s *Study) Mean(condition, method int) Quality {
	return MeanQuality(s.Quality[condition][method])
}

// MeanQuality averages each measure over what is finite of it, NaN when nothing is.
func MeanQuality(all []Quality) Quality {
	var p, q, m []float64
	for _, v := range all {
		p, q, m = append(p, v.PSNR), append(q, v.SSIM), append(m, v.MSSSIM)
	}
	return Quality{mean(finite(p)), mean(finite(q)), mean(finite(m))}
}

// An Interval is a mean with the ends of its 95% confidence interval.
type Interval struct{ Mean, Low, High float64 }

// Resamples is how many samples the bootstrap draws.
const Resamples = 4000

// Difference is the mean over the pictures of how much higher the PSNR of method b is than
// that of a, with an interval by the percentile bootstrap over pictures (Efron & Tibshirani
// 1993, section 13.3): the pictures are what the methods would meet anew. Of fewer than two
// pictures that both solved, the ends are NaN.
func (s *Study) Difference(condition, a, b int, rng *rand.Rand) Interval {
	var d []float64
	for i := range s.Pictures {
		d = append(d, s.Quality[condition][b][i].PSNR-s.Quality[condition][a][i].PSNR)
	}
	return bootstrap(finite(d), rng)
}

func bootstrap(d []float64, rng *rand.Rand) Interval {
	out := Interval{mean(d), math.NaN(), math.NaN()}
	if len(d) < 2 {
		return out
	}
	means := make([]float64, Resamples)
	for k := range means {
		for range d {
			means[k] += d[rng.IntN(len(d))] / float64(len(d))
		}
	}
	slices.Sort(means)
	out.Low, out.High = means[Resamples*25/1000], means[Resamples-1-Resamples*25/1000]
	return out
}

func finite(v []float64) []float64 {
	return slices.DeleteFunc(slices.Clone(v), func(x float64) bool { return math.IsNaN(x) || math.IsInf(x, 0) })
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

// rows are the table's: condition, method, PSNR, SSIM, multi-scale SSIM, and the difference of
// PSNR from the first method with its interval, empty for the first.
func (s *Study) rows(rng *rand.Rand) [][]string {
	out := [][]string{{"condition", "method", "PSNR", "SSIM", "MS-SSIM", "difference", "95%"}}
	for c, condition := range s.Conditions {
		for m, method := range s.Methods {
			q := s.Mean(c, m)
			row := []string{condition, method, number(q.PSNR, 2), number(q.SSIM, 4), number(q.MSSSIM, 4), "", ""}
			if m > 0 {
				d := s.Difference(c, 0, m, rng)
				row[5], row[6] = signed(d.Mean), signed(d.Low)+" to "+signed(d.High)
			}
			out = append(out, row)
		}
	}
	return out
}

func number(v float64, digits int) string {
	if math.IsNaN(v) {
		return "-"
	}
	return strconv.FormatFloat(v, 'f', digits, 64)
}

func signed(v float64) string {
	if math.IsNaN(v) {
		return "-"
	}
	return fmt.Sprintf("%+.2f", v)
}

// StudyFormats are those that Write knows.
func StudyFormats() []string { return []string{"txt", "md", "tex", "csv"} }

// Write writes the means and the differences from the first method as a table of text,
// Markdown or LaTeX (for package booktabs), or, as csv, the numbers of every picture. rng
// draws the bootstrap's samples.
func (s *Study) Write(w io.Writer, format string, rng *rand.Rand) error {
	switch format {
	case "txt":
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, r := range s.rows(rng) {
			fmt.Fprintln(t, strings.Join(r, "\t"))
		}
		return t.Flush()
	case "md":
		var b strings.Builder
		for i, r := range s.rows(rng) {
			for k := range r {
				r[k] = strings.ReplaceAll(r[k], "|", `\|`)
			}
			fmt.Fprintf(&b, "| %s |\n", strings.Join(r, " | "))
			if i == 0 {
				b.WriteString("|---|---|--:|--:|--:|--:|--:|\n")
			}
		}
		_, err := io.WriteString(w, b.String())
		return err
	case "tex":
		return s.writeLaTeX(w, rng)
	case "csv":
		return s.writeCSV(w)
	}
	return fmt.Errorf("restore: no table format %q; there are %s", format, strings.Join(StudyFormats(), ", "))
}

func (s *Study) writeLaTeX(w io.Writer, rng *rand.Rand) error {
	escape := strings.NewReplacer(`\`, `\textbackslash{}`, "_", `\_`, "%", `\%`, "&", `\&`, "#", `\#`, "$", `\$`, "{", `\{`, "}", `\}`, "~", `\textasciitilde{}`, "^", `\textasciicircum{}`)
	var b strings.Builder
	b.WriteString("\\begin{tabular}{llrrrrr}\n\\toprule\n")
	last := ""
	for i, r := range s.rows(rng) {
		if i > 1 && r[0] != last {
			b.WriteString("\\midrule\n")
		}
		shown := slices.Clone(r)
		if i > 1 && r[0] == last {
			shown[0] = ""
		}
		last = r[0]
		for k := range shown {
			shown[k] = escape.Replace(shown[k])
			if k > 1 && i > 0 && k < 6 && shown[k] != "" && shown[k] != "-" {
				shown[k] = "$" + shown[k] + "$"
			}
		}
		b.WriteString(strings.Join(shown, " & ") + " \\\\\n")
		if i == 0 {
			b.WriteString("\\midrule\n")
		}
	}
	b.WriteString("\\bottomrule\n\\end{tabular}\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (s *Study) writeCSV(w io.Writer) error {
	c := csv.NewWriter(w)
	c.Write([]string{"condition", "method", "picture", "psnr", "ssim", "msssim"})
	for i, condition := range s.Conditions {
		for m, method := range s.Methods {
			for k, picture := range s.Pictures {
				q := s.Quality[i][m][k]
				c.Write([]string{condition, method, picture, number(q.PSNR, 6), number(q.SSIM, 6), number(q.MSSSIM, 6)})
			}
		}
	}
	c.Flush()
	return c.Error()
}
