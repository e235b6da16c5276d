package main

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/urfave/cli/v2"
)

type compareOptions struct {
	a, b string
	gray bool
}

func compareCommand() *cli.Command {
	return &cli.Command{
		Name:      "compare",
		Usage:     "PSNR, SSIM and MS-SSIM of two images",
		ArgsUsage: "A B",
		Description: "The data range is 1, B is clipped to [0,1], the whole image counts, and nothing is rounded\n" +
			"to 8 bits. SSIM has a uniform 7x7 window; MS-SSIM has five scales of Gaussian windows and wants\n" +
			"images of at least 176x176. The PSNR of equal images is null in JSON.\n\n" +
			"Example: lpn compare truth.png restored.png",
		Flags: common(
			&cli.BoolFlag{Name: "gray", Usage: "compare the luma (BT.601)"}),
		Action: action(func(c *cli.Context, con *console) error {
			if err := wantArgs(c, 2, "two images"); err != nil {
				return err
			}
			return compareOptions{c.Args().Get(0), c.Args().Get(1), c.Bool("gray")}.run(c.Context, con)
		}),
	}
}

func (o compareOptions) run(_ context.Context, con *console) error {
	a, err := readPicture(con, o.a)
	if err != nil {
		return missing(err)
	}
	b, err := readPicture(con, o.b)
	if err != nil {
		return missing(err)
	}
	q, err := measure(a, b, o.gray)
	if err != nil {
		return fmt.Errorf("%s and %s: %w", o.a, o.b, err)
	}
	if con.json {
		return con.printJSON(q)
	}
	_, err = fmt.Fprintf(con.out, "PSNR %.2f dB  SSIM %s  MS-SSIM %s\n", q.PSNR, decimals(q.SSIM, 4), decimals(q.MSSSIM, 4))
	return err
}

// A quality is how close an estimate is to the truth.
type quality struct {
	PSNR   number `json:"psnr"`
	SSIM   number `json:"ssim"`
	MSSSIM number `json:"msssim"`
}

func asQuality(q restore.Quality) quality {
	return quality{number(q.PSNR), number(q.SSIM), number(q.MSSSIM)}
}

// decimals is a number with so many digits, "-" for none.
func decimals(n number, digits int) string {
	if math.IsNaN(float64(n)) {
		return "-"
	}
	return strconv.FormatFloat(float64(n), 'f', digits, 64)
}

// measure compares an estimate with the truth.
func measure(truth, estimate *imageio.Picture, gray bool) (quality, error) {
	if gray {
		truth, estimate = truth.Luma(), estimate.Luma()
	}
	if truth.Shape != estimate.Shape {
		return quality{}, fmt.Errorf("sizes differ: %s and %s", size(truth), size(estimate))
	}
	return asQuality(restore.Compare(truth.Image, estimate.Image)), nil
}

// size describes a picture for people.
func size(p *imageio.Picture) string {
	kind := "gray"
	if !p.Gray() {
		kind = "colour"
	}
	return fmt.Sprintf("%dx%d %s", p.W, p.H, kind)
}
