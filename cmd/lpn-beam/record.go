package main

import (
	"encoding/json"

	"github.com/lpn-imaging/lpn/lpn/explore"
)

// A Record is what the manifest says of an input: what was made of it, or why nothing.
type Record struct {
	Input  string `json:"input"`
	Output string `json:"output"`
	// InputSHA256 and OutputSHA256 are of the files' bytes, in hexadecimal.
	InputSHA256  string  `json:"input_sha256,omitempty"`
	OutputSHA256 string  `json:"output_sha256,omitempty"`
	InputBytes   int64   `json:"input_bytes,omitempty"`
	OutputBytes  int64   `json:"output_bytes,omitempty"`
	InputTime    string  `json:"input_time,omitempty"` // of its last change, RFC 3339
	Megapixels   float64 `json:"megapixels,omitempty"`
	// Seconds is the time that restoring took, the sum over windows and pages.
	Seconds float64 `json:"seconds"`
	// Noise is the standard deviation of the noise that was removed, in units of the
	// measurement, of the first page.
	Noise float64 `json:"noise"`
	// Choice says why the operator is what it is, where the file decided, and Note what
	// was changed on the way, of the first page.
	Choice string `json:"choice,omitempty"`
	Note   string `json:"note,omitempty"`
	// PSNR and SSIM compare with --reference, and InputPSNR does with the input where it
	// has the reference's size, of the first page. Of a giant picture they are not known.
	PSNR      *explore.Number `json:"psnr,omitempty"`
	SSIM      *explore.Number `json:"ssim,omitempty"`
	InputPSNR *explore.Number `json:"input_psnr,omitempty"`
	// Suspect is why the result should not be trusted, null where nothing speaks
	// against it.
	Suspect *string `json:"suspect"`
	// Windows is the number of windows of a giant picture.
	Windows int `json:"windows,omitempty"`
	// Settings tells runs with different results apart.
	Settings string `json:"settings"`
	// Error is the reason, in one line, why there is no output; null where there is.
	Error *string `json:"error"`
}

// line is the record as a line of the manifest, without its end.
func (r Record) line() string {
	b, err := json.Marshal(r)
	if err != nil {
		panic(err) // strings and finite numbers
	}
	return string(b)
}
