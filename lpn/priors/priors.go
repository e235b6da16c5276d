package priors

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/lpn-imaging/lpn/assets"
	"github.com/lpn-imaging/lpn/lpn"
)

// Ext is the extension of a prior's file.
const Ext = ".safetensors"

// A Prior is a trained prior by name. The zero Prior is none.
type Prior struct {
	// Name is that of a shipped prior, or the path of a file.
	Name string
	// Channels is the number of planes of an image: 1 or 3.
	Channels int
	// Sigma is the noise level that it was trained at, as a standard deviation
	// in image units.
	Sigma float64
	// Natural says that it was trained on natural images of any size: those
	// that For chooses from.
	Natural bool

	open func() (*lpn.Network, error)
}

// Network returns the network. That of a shipped prior is decoded once in a
// program and shared; networks are immutable.
func (p Prior) Network() (*lpn.Network, error) { return p.open() }

// IsZero reports whether p is no prior.
func (p Prior) IsZero() bool { return p.open == nil }

// Of makes a prior of a network.
func Of(name string, net *lpn.Network) Prior {
	c := net.Config()
	return Prior{Name: name, Channels: c.Channels, Sigma: c.Sigma, open: func() (*lpn.Network, error) { return net, nil }}
}

// File reads a prior from a safetensors file.
func File(path string) (Prior, error) {
	net, err := lpn.Open(path)
	if err != nil {
		return Prior{}, err
	}
	return Of(path, net), nil
}

// decoded holds the networks of shipped priors by name, a sync.OnceValues each.
var decoded sync.Map

// shipped is the prior in an embedded file.
func shipped(name string, channels int, sigma float64, natural bool, file string) Prior {
	return Prior{Name: name, Channels: channels, Sigma: sigma, Natural: natural, open: func() (*lpn.Network, error) {
		once, _ := decoded.LoadOrStore(name, sync.OnceValues(func() (*lpn.Network, error) {
			net, err := lpn.Read(strings.NewReader(file), int64(len(file)))
			if err != nil {
				return nil, fmt.Errorf("built-in prior %s: %w", name, err)
			}
			return net, nil
		}))
		return once.(func() (*lpn.Network, error))()
	}}
}

func gray(level int, file string) Prior {
	return shipped(fmt.Sprintf("gray-%02d", level), 1, float64(level)/255, true, file)
}

func colour(level int, file string) Prior {
	return shipped(fmt.Sprintf("colour-%02d", level), 3, float64(level)/255, true, file)
}

// Gray01 is the prior of gray natural images at noise 1/255.
func Gray01() Prior { return gray(1, assets.Gray01) }

// Gray02 is the prior of gray natural images at noise 2/255.
func Gray02() Prior { return gray(2, assets.Gray02) }

// Gray05 is the prior of gray natural images at noise 5/255.
func Gray05() Prior { return gray(5, assets.Gray05) }

// Gray15 is the prior of gray natural images at noise 15/255.
func Gray15() Prior { return gray(15, assets.Gray15) }

// Gray25 is the prior of gray natural images at noise 25/255.
func Gray25() Prior { return gray(25, assets.Gray25) }

// Gray50 is the prior of gray natural images at noise 50/255.
func Gray50() Prior { return gray(50, assets.Gray50) }

// Colour01 is the prior of colour natural images at noise 1/255.
func Colour01() Prior { return colour(1, assets.Colour01) }

// Colour02 is the prior of colour natural images at noise 2/255.
func Colour02() Prior { return colour(2, assets.Colour02) }

// Colour05 is the prior of colour natural images at noise 5/255.
func Colour05() Prior { return colour(5, assets.Colour05) }

// Colour15 is the prior of colour natural images at noise 15/255.
func Colour15() Prior { return colour(15, assets.Colour15) }

// Colour25 is the prior of colour natural images at noise 25/255.
func Colour25() Prior { return colour(25, assets.Colour25) }

// Colour50 is the prior of colour natural images at noise 50/255.
func Colour50() Prior { return colour(50, assets.Colour50) }

// CT is the prior of chest CT slices at noise 10/255, [-1000,1000] HU mapped
// to [0,1].
func CT() Prior { return shipped("ct", 1, 10./255, false, assets.CT) }

// Digits is the prior of 28x28 handwritten digits at noise 0.1.
func Digits() Prior { return shipped("digits", 1, 0.1, false, assets.Digits) }

// Laplace is the prior of Laplace-distributed scalars at noise 1.
func Laplace() Prior { return shipped("laplace", 1, 1, false, assets.Laplace) }

// All lists the shipped priors by name. It decodes none.
func All() []Prior {
	return []Prior{
		Colour01(), Colour02(), Colour05(), Colour15(), Colour25(), Colour50(),
		CT(), Digits(),
		Gray01(), Gray02(), Gray05(), Gray15(), Gray25(), Gray50(),
		Laplace(),
	}
}

// Names lists the names of the shipped priors.
func Names() []string {
	var names []string
	for _, p := range All() {
		names = append(names, p.Name)
	}
	return names
}

// An UnknownError is a name that no shipped prior has.
type UnknownError struct{ Name string }

func (e *UnknownError) Error() string {
	return fmt.Sprintf("no built-in prior %q; built in: %s", e.Name, strings.Join(Names(), ", "))
}

// Open returns the shipped prior of that name, or an *UnknownError.
func Open(name string) (Prior, error) {
	for _, p := range All() {
		if p.Name == name {
			return p, nil
		}
	}
	return Prior{}, &UnknownError{name}
}

// leastLevel bounds the noise level from below where levels are compared.
const leastLevel = 1e-4

// For returns the shipped prior of natural images for an image with that many
// channels and that noise level, a standard deviation in image units: of as
// many channels where there is one, gray otherwise, and the nearest in the
// logarithm of its noise level.
func For(channels int, noise float64) Prior {
	rank := func(p Prior) (kind int, far float64) {
		far = math.Abs(math.Log(max(noise, leastLevel) / p.Sigma))
		switch {
		case !p.Natural:
			return 3, far
		case p.Channels == channels:
			return 0, far
		case p.Channels == 1:
			return 1, far
		}
		return 2, far
	}
	return slices.MinFunc(All(), func(a, b Prior) int {
		ka, fa := rank(a)
		kb, fb := rank(b)
		return cmp.Or(cmp.Compare(ka, kb), cmp.Compare(fa, fb))
	})
}
