//go:build !small

package main

import "github.com/lpn-imaging/lpn/lpn/train"

// openStack opens an idx file.
func openStack(path string) (stack, error) {
	return train.OpenImages([]string{path}, train.DataOptions{Channels: 1})
}
