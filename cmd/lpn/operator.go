package main

import (
	"errors"
	"strings"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/urfave/cli/v2"
)

func operatorFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "operator", Value: "denoise", Usage: "what the camera did, `SPEC`: denoise, blur:gaussian,sigma=1.6, sr:factor=2, inpaint:mask=FILE, ...; restore chooses jpeg or denoise for a JPEG file"},
		&cli.StringFlag{Name: "boundary", Value: "symmetric", Usage: "how a blur continues the image beyond the frame: `B` is circular, symmetric, reflect, replicate, zero or valid"},
	}
}

// operatorsHelp is the grammar of operators.ParseSpec, as help shows it.
const operatorsHelp = "Operators, with lengths in pixels:\n\n" +
	"- denoise\n" +
	"- blur:gaussian,sigma=S[,size=N], blur:uniform,size=N, blur:motion,length=L[,angle=DEGREES],\n" +
	"  blur:disk,radius=R or blur:kernel=FILE (.npy or an image)\n" +
	"- sr:factor=N[,kernel=gaussian|uniform|motion|disk|FILE][,the kernel's keys], of a Gaussian\n" +
	"  with sigma=N/2 by default\n" +
	"- inpaint:mask=FILE (white is known) or inpaint:ratio=R[,seed=N] (the fraction kept)\n" +
	"- cs:ratio=R[,seed=N][,kind=circulant|hadamard|fourier|gaussian], compressed sensing\n" +
	"- tomo:angles=N[,detectors=N][,span=DEGREES], parallel beams: detectors are a pixel apart, or\n" +
	"  spread over the diagonal if there are fewer than pixels on the shorter side\n" +
	"- mri:accel=A[,seed=N][,center=FRACTION], single-coil Cartesian\n" +
	"- jpeg, of the tables in a JPEG file itself, or jpeg:quality=Q[,subsampling=420|444|422|440|411]\n\n" +
	"A number may be a fraction, 1/4. go doc operators.ParseSpec says more."

// parseOperator reads --operator and --boundary.
func parseOperator(spec, boundary string) (operators.Spec, error) {
	s, err := operators.ParseSpec(spec)
	if bad := (*operators.SpecError)(nil); errors.As(err, &bad) {
		return s, usagef("--operator: %q: %w", bad.Text, bad.Reason)
	}
	b, err := operators.ParseBoundary(boundary)
	if err != nil {
		return s, usagef("--boundary: %w", err)
	}
	return s.WithBoundary(b), nil
}

// strip takes a prefix off an error's text.
func strip(err error, prefix string) error {
	return errors.New(strings.TrimPrefix(err.Error(), prefix))
}

// openOperatorFile reads the kernel or mask that a spec names: an image, a
// .npy array or a table of numbers in text. Colour becomes luma.
func openOperatorFile(path string) (operators.Image, error) {
	p, err := imageio.Read(path)
	var bad *imageio.Error
	switch {
	case err == nil:
		return p.Luma().Image, nil
	case !errors.As(err, &bad):
		return operators.Image{}, missing(err)
	}
	m, terr := imageio.ReadTable(path)
	if errors.Is(terr, imageio.ErrNoTable) {
		return operators.Image{}, err // it looked like an image: say what is wrong with it
	}
	return m, terr
}

// withShape is p with other samples. What goes with them follows where the size
// changed: of a picture that was cut, the opacity of the part that is left; of
// one that was scaled, the opacity interpolated like a gray picture, aligned with
// the colours, and the resolution.
func withShape(p *imageio.Picture, m operators.Image, crop bool) *imageio.Picture {
	q := *p
	q.Image = m
	if m.H == p.H && m.W == p.W && m.C == p.C {
		return &q
	}
	q.Missing = nil
	if m.H == p.H && m.W == p.W {
		return &q
	}
	if !crop {
		q.Meta.Scale(float64(m.W)/float64(p.W), float64(m.H)/float64(p.H))
		q.Alpha = imageio.ResizeAlpha(p.Alpha, p.H, p.W, m.H, m.W)
		return &q
	}
	if p.Alpha == nil {
		return &q
	}
	q.Alpha = make([]uint16, m.H*m.W)
	dy, dx := restore.Margin(p.H-m.H), restore.Margin(p.W-m.W)
	for y := range m.H {
		copy(q.Alpha[y*m.W:(y+1)*m.W], p.Alpha[(y+dy)*p.W+dx:])
	}
	return &q
}
