// Command neon writes the routines of internal/kernel for arm64, whose vectors
// have four numbers: for each family NAME_arm64.s and its Go declarations. The
// generators beside it write the same routines for amd64.
//
// Go's assembler knows few of arm64's vector instructions on floating-point
// numbers. The others are written as their encodings, with the instruction in a
// comment.
package main

import (
	"flag"
	"log"
)

func main() {
	dir := flag.String("out", "", "folder to write to")
	flag.Parse()
	for _, family := range []func(dir string) error{tiles, winograd, pointwise, fft} {
		if err := family(*dir); err != nil {
			log.Fatal(err)
		}
	}
}
