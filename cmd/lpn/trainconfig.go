//go:build !small

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"github.com/lpn-imaging/lpn/internal/flags"
	"github.com/lpn-imaging/lpn/internal/network"
	"github.com/lpn-imaging/lpn/lpn"
)

// readConfig reads a network's configuration from a file.
func readConfig(path string) (lpn.Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return lpn.Config{}, missing(fmt.Errorf("--config: %s: %w", path, cause(err)))
	}
	c, err := parseConfig(text)
	if err != nil {
		return c, usagef("--config: %s: %w", path, err)
	}
	return c, nil
}

// parseConfig reads a network's configuration, bare or within what info --json
// prints.
func parseConfig(text []byte) (lpn.Config, error) {
	var c lpn.Config
	var outer struct {
		Config json.RawMessage `json:"config"`
	}
	if err := json.Unmarshal(text, &outer); err == nil && outer.Config != nil {
		text = outer.Config
	}
	if err := flags.DecodeStrictly(text, &c); err != nil {
		return c, err
	}
	if err := c.Validate(); err != nil {
		return c, strip(err, "lpn: ")
	}
	return c, nil
}

// sameNetwork compares what decides the weights' shapes.
func sameNetwork(a, b lpn.Config) bool {
	pa, pb := a.Definition().Params, b.Definition().Params
	return slices.EqualFunc(pa, pb, func(x, y network.Param) bool { return x.Name == y.Name && slices.Equal(x.Dims, y.Dims) })
}
