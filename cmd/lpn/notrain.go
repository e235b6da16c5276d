//go:build notrain

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

// This file makes the small command, built with -tags notrain: without the trainer
// and the libraries that only it needs. lpn train is there all the same where the
// complete command is in its folder, or on the path, under the name lpn-complete.

// completeName is not lpn-train, which is the trainer in python/.
const completeName = "lpn-complete"

func trainCommand() *cli.Command {
	return &cli.Command{
		Name:            "train",
		Usage:           "train a prior on a folder of images",
		Description:     "This is the small command: " + completeName + ", the complete one, is run.",
		SkipFlagParsing: true,
		Action: func(c *cli.Context) error {
			program, err := complete()
			if err != nil {
				return err
			}
			cmd := exec.CommandContext(c.Context, program, append([]string{"train"}, c.Args().Slice()...)...)
			cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it writes its checkpoint
			cmd.Stdin, cmd.Stdout, cmd.Stderr = c.App.Reader, c.App.Writer, c.App.ErrWriter
			err = cmd.Run()
			if e := (*exec.ExitError)(nil); errors.As(err, &e) && e.ExitCode() > 0 {
				os.Exit(e.ExitCode()) // it has said why
			}
			return err
		},
	}
}

// complete finds the complete command.
func complete() (string, error) {
	self, err := os.Executable()
	if err != nil {
		self = ""
	}
	for _, name := range []string{filepath.Join(filepath.Dir(self), completeName), completeName} {
		if path, err := exec.LookPath(name); err == nil && !sameFile(path, self) {
			return path, nil
		}
	}
	return "", fmt.Errorf("this lpn was built without training (-tags notrain): put a complete one beside it as %s", completeName)
}

func openStack(path string) (stack, error) {
	return nil, fmt.Errorf("%s: this lpn was built without training (-tags notrain), which reads idx files", path)
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
