//go:build small

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/lpn-imaging/lpn/lpn"
	"github.com/urfave/cli/v2"
)

// This file makes the small command, built with -tags small: without the trainer, the
// page and the drawings, and the libraries that only they need. lpn train, explore and
// serve are there all the same where the complete command is in its folder, or on the
// path, under the name lpn-complete.

// completeName is not lpn-train, which is the trainer in python/.
const completeName = "lpn-complete"

var (
	trainCommand   = elsewhere("train", "train a prior on a folder of images")
	exploreCommand = elsewhere("explore", "open a page in the browser to restore, compare and explore")
	serveCommand   = elsewhere("serve", "restore and explore over HTTP, for programs")
)

// elsewhere makes a command that the complete program runs.
func elsewhere(name, usage string) func() *cli.Command {
	return func() *cli.Command {
		return &cli.Command{
			Name:            name,
			Usage:           usage,
			Description:     "This is the small command: " + completeName + ", the complete one, is run.",
			SkipFlagParsing: true,
			Action:          func(c *cli.Context) error { return runComplete(c, name) },
		}
	}
}

// runComplete runs a command of the complete program, with the arguments of c.
func runComplete(c *cli.Context, name string) error {
	program, err := complete(name)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(c.Context, program, append([]string{name}, c.Args().Slice()...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it ends in order
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.App.Reader, c.App.Writer, c.App.ErrWriter
	err = cmd.Run()
	if e := (*exec.ExitError)(nil); errors.As(err, &e) && e.ExitCode() > 0 {
		os.Exit(e.ExitCode()) // it has said why
	}
	return err
}

// complete finds the complete command, for one of its commands.
func complete(name string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		self = ""
	}
	for _, name := range []string{filepath.Join(filepath.Dir(self), completeName), completeName} {
		if path, err := exec.LookPath(name); err == nil && !sameFile(path, self) {
			return path, nil
		}
	}
	return "", fmt.Errorf("this lpn was built without %s (-tags small): put a complete one beside it as %s", name, completeName)
}

func openStack(path string) (stack, error) {
	return nil, fmt.Errorf("%s: this lpn was built without training (-tags small), which reads idx files", path)
}

// recordOf is what the small command knows of a prior's training: the plan.
func recordOf(n *lpn.Network) (trainingRecord, error) {
	plan := n.Meta("plan")
	return trainingRecord{plan: plan, rows: func(w io.Writer) {
		if plan != "" {
			fmt.Fprintf(w, "plan\t%s\n", plan)
		}
	}}, nil
}
