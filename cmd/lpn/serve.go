//go:build !small

package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/lpn-imaging/lpn/internal/page"
	"github.com/lpn-imaging/lpn/internal/sysmem"
	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/lpn/serve"
	"github.com/urfave/cli/v2"
)

type serveOptions struct {
	addr    string
	folder  string // "" for none
	start   string // a picture in it
	priors  []string
	hosts   []string
	upload  int64
	memory  int64
	jobs    int
	page    bool
	browser bool
}

func serveFlags(more ...cli.Flag) []cli.Flag {
	return common(append([]cli.Flag{
		&cli.StringFlag{Name: "addr", Value: "127.0.0.1:0", Usage: "listen at `HOST:PORT`; port 0 is any free port. If others can reach the host, requests need the token in the address that is printed"},
		&cli.StringSliceFlag{Name: "prior", Usage: "also offer the prior in `FILE`; may be repeated"},
		&cli.StringSliceFlag{Name: "host", Usage: "also accept requests that call this machine `NAME`; may be repeated"},
		&cli.StringFlag{Name: "upload", Value: "256MiB", Usage: "accept files of up to `SIZE`"},
		memoryFlag(),
		&cli.IntFlag{Name: "jobs", Value: 2, Usage: "restore `N` pictures at a time; others wait"},
	}, more...)...)
}

func serveCommand() *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "restore and explore over HTTP, for programs",
		Description: "Listens until it is interrupted and prints its address as one line on stdout. POST\n" +
			"/api/v1/restore takes a picture and options, named like the flags of restore. The answer is the\n" +
			"picture, its result as JSON, or events. docs/serve.md shows the interface, go doc\n" +
			"github.com/lpn-imaging/lpn/lpn/serve lists it.\n\n" +
			"Example: lpn serve --addr 127.0.0.1:8080",
		Flags: serveFlags(&cli.StringFlag{Name: "folder", Usage: "let clients open the pictures in `DIR` by name"}),
		Action: action(func(c *cli.Context, con *console) error {
			if err := wantArgs(c, 0, "no arguments"); err != nil {
				return err
			}
			o, err := serveFrom(c)
			if err != nil {
				return err
			}
			o.folder = c.String("folder")
			return o.run(c.Context, con)
		}),
	}
}

func serveFrom(c *cli.Context) (o serveOptions, err error) {
	o = serveOptions{addr: c.String("addr"), priors: c.StringSlice("prior"), hosts: c.StringSlice("host"), jobs: c.Int("jobs")}
	if _, _, err := net.SplitHostPort(o.addr); err != nil {
		return o, usagef("--addr: %q; want HOST:PORT, as 127.0.0.1:8080", o.addr)
	}
	if o.jobs < 1 || o.jobs > 64 {
		return o, usagef("--jobs: %d; want 1 to 64", o.jobs)
	}
	if o.upload, err = sysmem.ParseSize(c.String("upload")); err != nil || o.upload < 1 {
		return o, usagef("--upload: %q is no size; want as 256MiB", c.String("upload"))
	}
	if text := c.String("memory"); text != "" {
		if o.memory, err = sysmem.ParseSize(text); err != nil {
			return o, usagef("--memory: %w", err)
		}
	}
	return o, nil
}

func (o serveOptions) run(ctx context.Context, con *console) error {
	config := serve.Config{Start: o.start, Hosts: o.hosts, Upload: o.upload, Memory: o.memory, Jobs: o.jobs,
		Log: func(line string) { con.complain("%s", line) }}
	if o.page {
		config.Page = page.Files()
	}
	for _, name := range o.priors {
		p, err := findPrior(name)
		if err != nil {
			return err
		}
		if _, err := p.Network(); err != nil {
			return err
		}
		p.Name = filepath.Base(trimExt(p.Name, priors.Ext))
		config.Priors = append(config.Priors, p)
	}
	if o.folder != "" {
		root, err := os.OpenRoot(o.folder)
		if err != nil {
			return usagef("%s: %v", o.folder, cause(err))
		}
		defer root.Close()
		config.Folder = root
	}
	l, err := net.Listen("tcp", o.addr)
	if err != nil {
		return usagef("--addr: %v", cause(err))
	}
	defer l.Close()
	if a, ok := l.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() {
		config.Token = rand.Text()
	}
	s := serve.New(config)
	address := s.Address(l.Addr())
	if con.json {
		err = con.printJSON(struct {
			Address string `json:"address"`
		}{address})
	} else {
		_, err = fmt.Fprintln(con.out, address)
	}
	if err != nil {
		return err
	}
	if o.browser {
		if err := openBrowser(address); err != nil {
			con.remark("open the address above in a browser (%v)", err)
		}
	}
	if err := s.Serve(ctx, l); err != nil {
		return err
	}
	con.remark("stopped")
	return nil
}

// trimExt takes an extension off a name.
func trimExt(name, ext string) string {
	if filepath.Ext(name) == ext {
		return name[:len(name)-len(ext)]
	}
	return name
}
