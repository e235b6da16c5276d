package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/lpn/blind"
	"github.com/lpn-imaging/lpn/operators"
)

// largeH and largeW are the sides of a photograph of 12 megapixels.
const largeH, largeW = 3000, 4000

// A shot is one way in which a large photograph was blurred.
type shot struct {
	name   string
	want   blind.Kind
	kernel operators.Kernel
}

// tell prints what was found in a picture, and reports whether the kind is right.
func (s shot) tell(picture string, e blind.Estimate) bool {
	verdict := "WRONG"
	if e.Kind == s.want {
		verdict = "right"
	}
	fmt.Printf("%s, %s: %s, likeness %.2f: %v\n", picture, s.name, verdict, blind.Likeness(e.Kernel, s.kernel), e)
	return e.Kind == s.want
}

// shots are no blur, a Gaussian of 2.5 pixels, a disk of 4, and the shakes of Levin et al., enlarged to sides
// in turn; 0 leaves one as it is.
func shots(kernels string, sides []int) ([]shot, error) {
	g, err := operators.GaussianKernel(2.5, 0)
	if err != nil {
		return nil, err
	}
	d, err := operators.DiskKernel(4)
	if err != nil {
		return nil, err
	}
	point := operators.Kernel{H: 1, W: 1, Taps: []float64{1}}
	out := []shot{{"none", blind.Sharp, point}, {"gaussian 2.5", blind.Gaussian, g}, {"disk 4", blind.Disk, d}}
	for j := range 8 {
		k, err := levinKernel(kernels, j)
		if err != nil {
			return nil, err
		}
		name := fmt.Sprintf("shake %d", j)
		if side := sides[j%len(sides)]; side > 0 {
			k, name = enlarged(k, side), fmt.Sprintf("%s, %d pixels", name, side)
		}
		out = append(out, shot{name, blind.Free, k})
	}
	return out, nil
}

// enlarged is a kernel on a grid so much finer that its longer side, empty rims left out, is side taps; bilinear.
func enlarged(k operators.Kernel, side int) operators.Kernel {
	top, left, bottom, right := k.H, k.W, 0, 0
	for i := range k.H {
		for j := range k.W {
			if k.Taps[i*k.W+j] > 0 {
				top, left, bottom, right = min(top, i), min(left, j), max(bottom, i), max(right, j)
			}
		}
	}
	n := side | 1
	step := float64(max(bottom-top, right-left)+1) / float64(n)
	at := func(i, j int) float64 {
		if i < 0 || j < 0 || i >= k.H || j >= k.W {
			return 0
		}
		return k.Taps[i*k.W+j]
	}
	out := operators.Kernel{H: n, W: n, Taps: make([]float64, n*n)}
	sum := 0.0
	for i := range n {
		for j := range n {
			y := float64(top+bottom)/2 + (float64(i)-float64(n/2))*step
			x := float64(left+right)/2 + (float64(j)-float64(n/2))*step
			a, b := int(y), int(x)
			fy, fx := y-float64(a), x-float64(b)
			if y < 0 || x < 0 {
				continue
			}
			t := (1-fy)*((1-fx)*at(a, b)+fx*at(a, b+1)) + fy*((1-fx)*at(a+1, b)+fx*at(a+1, b+1))
			out.Taps[i*n+j] = t
			sum += t
		}
	}
	for i := range out.Taps {
		out.Taps[i] /= sum
	}
	return out
}

// mosaic lays photographs side by side, each another one, until h x w is full.
func mosaic(pictures []operators.Image, h, w int) operators.Image {
	out := operators.NewImage(operators.Shape{C: pictures[0].C, H: h, W: w})
	next := 0
	for y := 0; y < h; {
		tall := h - y
		for x := 0; x < w; {
			m := pictures[next%len(pictures)]
			next++
			if m.H > m.W { // all of one height
				m = turned(m)
			}
			tall = min(tall, m.H)
			for c := range out.C {
				for i := range min(m.H, h-y) {
					copy(out.Plane(c)[(y+i)*w+x:(y+i+1)*w], m.Plane(c)[i*m.W:(i+1)*m.W])
				}
			}
			x += m.W
		}
		y += tall
	}
	return out
}

func turned(m operators.Image) operators.Image {
	out := operators.NewImage(operators.Shape{C: m.C, H: m.W, W: m.H})
	for c := range m.C {
		for i := range m.H {
			for j := range m.W {
				out.Plane(c)[j*out.W+i] = m.Plane(c)[i*m.W+j]
			}
		}
	}
	return out
}

// large judges photographs of 12 megapixels, mosaics of the set, in noise of 0.01 and as JPEG of quality 92: is the
// kind found, how like is the kernel, what does it cost? keep is a folder for the files, "" for none.
func large(kernels, dir, keep string, seeds int) error {
	const sigma = 0.01
	files, err := filepath.Glob(filepath.Join(dir, "*.jpg"))
	if err != nil {
		return err
	}
	all, err := shots(kernels, []int{20, 27, 35})
	if err != nil {
		return err
	}
	n, right := 0, 0
	for seed := range seeds {
		var pictures []operators.Image
		for _, i := range rand.New(rand.NewPCG(uint64(seed), 0x6d6f73)).Perm(len(files))[:110] {
			p, err := imageio.Read(files[i])
			if err != nil {
				return err
			}
			pictures = append(pictures, p.Image)
		}
		for si, s := range all {
			scene := mosaic(pictures, largeH+s.kernel.H-1, largeW+s.kernel.W-1)
			a, err := operators.NewBlur(scene.Shape, s.kernel, operators.Valid)
			if err != nil {
				return err
			}
			y := operators.NewImage(a.Codomain())
			a.Apply(y.Pix, scene.Pix)
			rng := rand.New(rand.NewPCG(uint64(seed), uint64(si)))
			for i := range y.Pix {
				y.Pix[i] += float32(sigma * rng.NormFloat64())
			}
			var file bytes.Buffer
			if err := imageio.Encode(&file, &imageio.Picture{Image: y, Bits: 8, Scale: 255, High: 1}, imageio.Options{Format: "jpeg", Quality: 92}); err != nil {
				return err
			}
			if keep != "" {
				if err := os.WriteFile(filepath.Join(keep, fmt.Sprintf("%d-%02d.jpg", seed, si)), file.Bytes(), 0o666); err != nil {
					return err
				}
			}
			p, err := imageio.Decode(&file, "mosaic.jpg")
			if err != nil {
				return err
			}
			start := time.Now()
			e, err := blind.Find(context.Background(), p.Image, blind.Options{})
			if err != nil {
				return err
			}
			n++
			if s.tell(fmt.Sprintf("mosaic %d, %.0f s", seed, time.Since(start).Seconds()), e) {
				right++
			}
		}
	}
	fmt.Printf("large: the kind of %d of %d is right\n", right, n)
	return nil
}
