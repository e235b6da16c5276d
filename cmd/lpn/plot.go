package main

import (
	"path/filepath"
	"strings"
)

// plotFormat is png or svg, by the file's extension.
func plotFormat(path string) (string, error) {
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".png", ".svg":
		return ext[1:], nil
	}
	return "", usagef("%s: a plot goes to a .png or .svg file", path)
}
