package main

import (
	"errors"
	"strings"

	"github.com/lpn-imaging/lpn/internal/flags"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/urfave/cli/v2"
)

func operatorFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "operator", Value: "denoise", Usage: "what the camera did, `SPEC`: denoise, blur:gaussian,sigma=1.6, sr:factor=2, inpaint:mask=FILE, ...; without it restore chooses jpeg or denoise for a JPEG file"},
		&cli.StringFlag{Name: "boundary", Value: "symmetric", Usage: "how a blur continues the image beyond the frame: `B` is circular, symmetric, reflect, replicate, zero or valid"},
	}
}

// operatorsHelp is the grammar of operators.ParseSpec, as help shows it.
const operatorsHelp = "Operators, with lengths in pixels:\n\n" +
	"- denoise\n" +
	"- blur:gaussian,sigma=S[,size=N], blur:uniform,size=N, blur:motion,length=L[,angle=DEGREES],\n" +
	"  blur:disk,radius=R\n" +
	"- blur:kernel=FILE, a .npy file or an image. [,background=B|auto] and [,centre] correct a\n" +
	"  measured kernel. With [,grid=CxR] the file is a mosaic of C by R kernels, for a blur that\n" +
	"  varies over the image\n" +
	"- blur:auto[,kind=free|gaussian|disk|motion][,size=N], a blur that is found in the picture\n" +
	"  (restore only)\n" +
	"- sr:factor=F or sr:to=WxH, a picture that was made smaller. F is 2, 1.5 or, along x and y,\n" +
	"  1.5x2. [,kernel=area|box|bilinear|bicubic|lanczos3|gaussian] is how programs resize; the\n" +
	"  default is area. A kernel of blur with its keys is possible too. With align=corner the\n" +
	"  picture is every F-th sample of a blur, as papers have it\n" +
	"- inpaint:mask=FILE (white is known: 255, 1 or opaque) or inpaint:ratio=R[,seed=N], where R is\n" +
	"  the fraction of pixels kept\n" +
	"- cs:ratio=R[,seed=N][,kind=circulant|hadamard|fourier|gaussian], compressed sensing\n" +
	"- tomo:angles=N[,detectors=N][,span=DEGREES], parallel beams. Detectors are a pixel apart, or\n" +
	"  spread over the diagonal if there are fewer than pixels on the shorter side\n" +
	"- tomo:angles=N|FILE[,detectors=N][,spacing=S][,offset=O][,centre=C|auto][,pixel=P]\n" +
	"  [,geometry=parallel|fan-flat|fan-curved,source=D,detector=D], a scanner. Angles are in\n" +
	"  degrees, lengths in the unit in which P is the side of a pixel; see docs/measure.md\n" +
	"- mri:accel=A[,seed=N][,center=FRACTION], single-coil Cartesian\n" +
	"- mri:mask=FILE|detect[,coils=FILE|estimate][,centred=true|false][,phase=none|smooth|free],\n" +
	"  measured k-space, with a mask of places or rows and complex coil maps\n" +
	"- jpeg, with the tables of the JPEG file itself; or jpeg:quality=Q[,subsampling=420|444|422|440|411]\n\n" +
	"A number may be a fraction, 1/4. For more, see go doc operators.ParseSpec."

// operatorFrom is what --operator and --boundary say. It remarks on a boundary that the
// operator does not use.
func operatorFrom(c *cli.Context, con *console) (operators.Spec, error) {
	s, err := parseOperator(c.String("operator"), c.String("boundary"))
	if err == nil && c.IsSet("operator") && !s.TakesBoundary() {
		unused(c, con, s.Name()+" has no boundary", "boundary")
	}
	return s, err
}

// parseOperator reads values of --operator and --boundary.
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

// fileOpener is how the file that a spec names is read.
func fileOpener(spec operators.Spec) func(path string) (operators.Image, error) {
	open := flags.Opener(spec)
	return func(path string) (operators.Image, error) {
		m, err := open(path)
		return m, missing(err)
	}
}

// openOperatorFile reads the file of a model of noise, or a table of numbers.
func openOperatorFile(path string) (operators.Image, error) {
	m, err := flags.File(path)
	return m, missing(err)
}
