package assets

import _ "embed"

// The shipped priors, one safetensors file each. They are variables of their
// own, not one file system, so that a program carries those that it names.
var (
	//go:embed priors/colour-01.safetensors
	Colour01 string
	//go:embed priors/colour-02.safetensors
	Colour02 string
	//go:embed priors/colour-05.safetensors
	Colour05 string
	//go:embed priors/colour-15.safetensors
	Colour15 string
	//go:embed priors/colour-25.safetensors
	Colour25 string
	//go:embed priors/colour-50.safetensors
	Colour50 string
	//go:embed priors/ct.safetensors
	CT string
	//go:embed priors/digits.safetensors
	Digits string
	//go:embed priors/gray-01.safetensors
	Gray01 string
	//go:embed priors/gray-02.safetensors
	Gray02 string
	//go:embed priors/gray-05.safetensors
	Gray05 string
	//go:embed priors/gray-15.safetensors
	Gray15 string
	//go:embed priors/gray-25.safetensors
	Gray25 string
	//go:embed priors/gray-50.safetensors
	Gray50 string
	//go:embed priors/laplace.safetensors
	Laplace string
)
