//go:build !noasm

package kernel

import "golang.org/x/sys/cpu"

func detect() []Level {
	switch x := &cpu.X86; {
	case !x.HasAVX2 || !x.HasFMA:
		return []Level{Generic}
	case !x.HasAVX512F || !x.HasAVX512BW || !x.HasAVX512DQ || !x.HasAVX512VL:
		return []Level{Generic, AVX2}
	}
	return []Level{Generic, AVX2, AVX512}
}
