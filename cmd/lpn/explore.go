//go:build !small

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/urfave/cli/v2"
)

func exploreCommand() *cli.Command {
	return &cli.Command{
		Name:      "explore",
		Usage:     "open a page in the browser to restore, compare and explore",
		ArgsUsage: "[IMAGE|FOLDER]",
		Description: "Starts a page on this machine and opens the browser. On the page you restore a picture and read\n" +
			"why, compare before and after, and find out what surprises a prior. The page can open the files\n" +
			"in the given folder, or in the folder of the picture, and files that you drop on it. It can open\n" +
			"nothing else, and nothing leaves the machine. Ctrl-C ends it.\n\n" +
			"Examples:\n" +
			"lpn explore photo.jpg\n" +
			"lpn explore --no-browser photos/",
		Flags: serveFlags(&cli.BoolFlag{Name: "no-browser", Usage: "only print the address"}),
		Action: action(func(c *cli.Context, con *console) error {
			if c.NArg() > 1 {
				return wantArgs(c, 1, "one picture or folder at most")
			}
			o, err := serveFrom(c)
			if err != nil {
				return err
			}
			o.page, o.browser = true, !c.Bool("no-browser")
			if in := c.Args().First(); in != "" {
				st, err := os.Stat(in)
				if err != nil {
					return usagef("%s: %v", in, cause(err))
				}
				if o.folder = in; !st.IsDir() {
					o.folder, o.start = filepath.Dir(in), filepath.Base(in)
				}
			}
			return o.run(c.Context, con)
		}),
	}
}

// openBrowser shows an address in the browser of this machine.
func openBrowser(address string) error {
	var cmd *exec.Cmd
	switch runtime.GOOS {
	case "darwin":
		cmd = exec.Command("open", address)
	case "windows":
		cmd = exec.Command("rundll32", "url.dll,FileProtocolHandler", address)
	default:
		if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
			return errors.New("there is no display")
		}
		cmd = exec.Command("xdg-open", address)
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go cmd.Wait()
	return nil
}
