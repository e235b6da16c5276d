package measured

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"

	"github.com/lpn-imaging/lpn/lpn/blind"
	"github.com/lpn-imaging/lpn/lpn/explore"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// A Record is what JSON shows of a restored picture.
type Record struct {
	Input      string          `json:"input"`
	Output     string          `json:"output"`
	Operator   string          `json:"operator"`
	Prior      string          `json:"prior"`
	Solver     string          `json:"solver"`
	Iterations int             `json:"iterations"`
	Seconds    explore.Number  `json:"seconds"`
	Objective  explore.Number  `json:"objective"`
	Converged  bool            `json:"converged"`
	Certified  bool            `json:"certified"`
	Noise      explore.Number  `json:"noise"`
	PSNR       *explore.Number `json:"psnr"`
	SSIM       *explore.Number `json:"ssim"`
	Lambda     explore.Number  `json:"lambda"`
	Scale      explore.Number  `json:"scale"`
	Reason     string          `json:"reason"`
	// Choice says why the operator is what it is, where the file or the picture decided.
	Choice string `json:"choice,omitempty"`
	// Blur is what blur:auto found.
	Blur     *blind.Found   `json:"blur,omitempty"`
	Strength explore.Number `json:"strength"`
	// NoiseLine says the noise in words, where it was found.
	NoiseLine string `json:"noise_line,omitempty"`
	// NoiseModel is what --noise takes, as JSON.
	NoiseModel json.RawMessage `json:"noise_model"`
	// Suspect is null, or why the result should not be trusted.
	Suspect *string `json:"suspect"`
	// Note says what was changed on the way, and why.
	Note string `json:"note,omitempty"`
	// LeftAlone says that the result is the input.
	LeftAlone bool `json:"left_alone,omitempty"`
	// Uncertified says why Certified is false.
	Uncertified string `json:"uncertified,omitempty"`
	// InputPSNR is the measurement's, where it has the truth's size.
	InputPSNR *explore.Number `json:"input_psnr,omitempty"`
}

// RecordOf is the record of the result of a plan. choice says why the operator is what it
// is, where the file decided.
func RecordOf(input, output, choice string, p *restore.Plan, r restore.Result) (Record, error) {
	out := Record{
		Input: input, Output: output, Operator: p.Operator.String(), Prior: p.Prior, Solver: p.Solver,
		Iterations: r.Iterations, Seconds: explore.Number(r.Seconds), Objective: explore.Number(r.Objective),
		Converged: r.Converged, Certified: r.Certified, Noise: explore.Number(p.Noise),
		Lambda: explore.Number(p.Lambda), Scale: explore.Number(p.Scale), Reason: r.Reason,
		Choice: choice, NoiseLine: p.NoiseLine, Strength: explore.Number(r.Strength), Note: r.Note, LeftAlone: r.LeftAlone, Uncertified: r.Uncertified,
	}
	if p.Blur != nil {
		f := p.Blur.Found()
		out.Blur, out.Choice = &f, "blur: "+p.Blur.String()
	}
	if r.Suspect != "" {
		out.Suspect = &r.Suspect
	}
	var err error
	out.NoiseModel, err = noise.Marshal(p.GivenNoise(), p.Confidence)
	return out, err
}

// SHA256 is the hash of a file's bytes in hexadecimal, by which a manifest knows it again.
func SHA256(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
