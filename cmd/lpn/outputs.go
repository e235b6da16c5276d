package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/urfave/cli/v2"
)

// outputOptions say where results go and how they are written.
type outputOptions struct {
	to      string // -o: file, folder, template or "-"
	format  string // png, jpeg, tiff or npy; "" from the name
	bits    int
	quality int
	force   bool
	skip    bool
	recurse bool
}

func outputFlags(suffix string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write to a `FILE`, a folder, a template, or - for stdout", DefaultText: "{dir}/{name}" + suffix + "{ext}"},
		&cli.StringFlag{Name: "format", Usage: "`FORMAT` for stdout and for {ext}: png, jpeg, tiff or npy"},
		&cli.IntFlag{Name: "bits", Usage: "`N` bits a sample in PNG and TIFF, 8 or 16 (default: as the input)"},
		&cli.IntFlag{Name: "quality", Value: 95, Usage: "JPEG quality `N`, 1 to 100"},
		&cli.BoolFlag{Name: "force", Usage: "overwrite outputs that exist"},
		&cli.BoolFlag{Name: "skip-existing", Usage: "pass over inputs whose output exists"},
		&cli.BoolFlag{Name: "recursive", Aliases: []string{"r"}, Usage: "look into the folders below a folder, keeping the tree"},
	}
}

func outputFrom(c *cli.Context) outputOptions {
	return outputOptions{
		to: c.String("output"), format: c.String("format"), bits: c.Int("bits"), quality: c.Int("quality"),
		force: c.Bool("force"), skip: c.Bool("skip-existing"), recurse: c.Bool("recursive"),
	}
}

// check refuses options that contradict each other.
func (o outputOptions) check(con *console) error {
	switch {
	case o.bits != 0 && o.bits != 8 && o.bits != 16:
		return usagef("--bits: %d; want 8 or 16", o.bits)
	case o.quality < 1 || o.quality > 100:
		return usagef("--quality: %d; want 1 to 100", o.quality)
	case o.force && o.skip:
		return usagef("--force and --skip-existing contradict each other")
	case !slices.Contains([]string{"", "png", "jpeg", "tiff", "npy"}, o.format):
		return usagef("--format: %q; want png, jpeg, tiff or npy", o.format)
	case o.to == "-" && o.format == "":
		return usagef("-o - wants --format png or npy (or jpeg, tiff)")
	case o.to == "-" && con.json:
		return usagef("-o - and --json both want stdout")
	}
	return nil
}

func (o outputOptions) write() imageio.Options {
	return imageio.Options{Format: o.format, Bits: o.bits, Quality: o.quality}
}

// folder is the folder that -o names, "" when it names something else.
func (o outputOptions) folder(batch bool) string {
	if o.to == "" || o.to == "-" || strings.Contains(o.to, "{") {
		return ""
	}
	st, err := os.Stat(o.to)
	if err == nil && st.IsDir() || batch || os.IsPathSeparator(o.to[len(o.to)-1]) {
		return filepath.Clean(o.to)
	}
	return ""
}

// namesFile reports whether -o is a file by its extension: no folder is there,
// and none is asked for by a slash at the end.
func (o outputOptions) namesFile() bool {
	if o.to == "" || strings.Contains(o.to, "{") || os.IsPathSeparator(o.to[len(o.to)-1]) {
		return false
	}
	if st, err := os.Stat(o.to); err == nil && st.IsDir() {
		return false
	}
	ext := strings.ToLower(filepath.Ext(o.to))
	return ext == ".npz" || slices.Contains(imageio.Extensions, ext)
}

// A job is an input with its place to go.
type job struct {
	input
	to string
}

// plan gives every input its output. suffix marks outputs that land beside
// their inputs, ext is the extension that an input asks for, and fits refuses
// files that cannot hold the output.
func (o outputOptions) plan(inputs []input, batch bool, suffix string, ext func(input) string, fits func(to string) error) ([]job, error) {
	var jobs []job
	var infos []os.FileInfo
	taken := map[string]string{}
	dir := o.folder(batch)
	if batch && o.namesFile() {
		return nil, usagef("-o %s is one file, the inputs may be many: name a folder, %s/ if it is to have that name, or a template with {name}", o.to, o.to)
	}
	for _, in := range inputs {
		to, err := o.place(in, dir, suffix, ext)
		if err != nil {
			return nil, err
		}
		if to != "-" {
			if err := fits(to); err != nil {
				return nil, err
			}
			if other, twice := taken[to]; twice {
				return nil, usagef("%s and %s would both be written to %s", other, in.path, to)
			}
			taken[to] = in.path
			if err := noInput(to, in, inputs, &infos); err != nil {
				return nil, err
			}
			if _, err := os.Lstat(to); err == nil && !o.force && !o.skip && isRegular(to) {
				return nil, usagef("%s exists: --force overwrites it, --skip-existing passes it over", to)
			}
		}
		jobs = append(jobs, job{in, to})
	}
	return jobs, nil
}

// noInput refuses an output that is one of the inputs, by name or by link:
// that of in, or one that another input still waits in. infos are the inputs'
// as they are found out.
func noInput(to string, in input, inputs []input, infos *[]os.FileInfo) error {
	if in.path != "-" && filepath.Clean(in.path) == filepath.Clean(to) {
		return usagef("%s would overwrite itself: choose another -o", in.path)
	}
	st, err := os.Stat(to)
	if err != nil {
		return nil
	}
	if len(*infos) == 0 {
		for _, o := range inputs {
			info, _ := os.Stat(o.path) // nil for stdin
			*infos = append(*infos, info)
		}
	}
	for i, o := range inputs {
		switch {
		case (*infos)[i] == nil || !st.Mode().IsRegular() || !os.SameFile(st, (*infos)[i]):
		case o == in:
			return usagef("%s would overwrite itself: choose another -o", in.path)
		default:
			return usagef("%s would overwrite the input %s: choose another -o", in.path, o.path)
		}
	}
	return nil
}

func isRegular(path string) bool {
	st, err := os.Stat(path)
	return err != nil || st.Mode().IsRegular()
}

func (o outputOptions) place(in input, dir, suffix string, ext func(input) string) (string, error) {
	name := strings.TrimSuffix(filepath.Base(in.rel), filepath.Ext(in.rel))
	e := ext(in)
	if o.format != "" {
		e = imageio.ExtensionOf(o.format)
	}
	if in.path == "-" {
		name = "stdin"
	}
	fill := func(template string) string {
		return strings.NewReplacer("{dir}", filepath.Dir(in.path), "{name}", name, "{ext}", e).Replace(template)
	}
	switch {
	case o.to == "-":
		return "-", nil
	case o.to == "" && in.path == "-":
		return "", usagef("an input from stdin wants -o")
	case o.to == "":
		return filepath.Clean(fill("{dir}/{name}" + suffix + "{ext}")), nil
	case strings.Contains(o.to, "{"):
		to := filepath.Clean(fill(o.to))
		if strings.ContainsAny(to, "{}") && !strings.ContainsAny(in.path, "{}") {
			return "", usagef("-o %s: unknown field; want {dir}, {name} or {ext}", o.to)
		}
		return to, o.inside(to, fill)
	case dir != "":
		below := filepath.Dir(in.rel)
		to := filepath.Join(dir, below, name+e)
		return to, noLinks(dir, filepath.Join(below, name+e))
	}
	return filepath.Clean(o.to), nil
}

// inside refuses what a template makes of a file's name when that leaves the
// folder that the template itself names: all before the name.
func (o outputOptions) inside(to string, fill func(string) string) error {
	at := len(o.to)
	for _, field := range []string{"{name}", "{ext}"} {
		if i := strings.Index(o.to, field); i >= 0 {
			at = min(at, i)
		}
	}
	base := "."
	if i := strings.LastIndexByte(filepath.ToSlash(o.to[:at]), '/'); i == 0 {
		base = "/"
	} else if i > 0 {
		base = filepath.Clean(fill(o.to[:i]))
	}
	below, err := filepath.Rel(base, to)
	if err != nil || !filepath.IsLocal(below) {
		return usagef("-o %s: %s lies outside the folder %s", o.to, to, base)
	}
	return noLinks(base, below)
}

// noLinks refuses a place below dir that a symbolic link leads elsewhere: a
// link among its folders, or one in its own place to something that writing
// would not replace, such as a device.
func noLinks(dir, below string) error {
	at := dir
	parts := strings.Split(filepath.ToSlash(below), "/")
	for i, part := range parts {
		at = filepath.Join(at, part)
		st, err := os.Lstat(at)
		if err != nil || st.Mode()&os.ModeSymlink == 0 || at == dir || i == len(parts)-1 && isRegular(at) {
			continue
		}
		return usagef("%s is a symbolic link: outputs stay inside %s", at, dir)
	}
	return nil
}

// pictureExt keeps an input's format where it can be written, else PNG.
func pictureExt(in input) string {
	ext := filepath.Ext(in.path)
	if _, err := imageio.FormatOf(in.path); err != nil {
		return ".png"
	}
	return ext
}

// formatOf is the format of a picture file: what its extension says, or
// --format where it says nothing.
func (o outputOptions) formatOf(to string) (string, error) {
	format, err := imageio.FormatOf(to)
	switch {
	case err != nil && o.format != "" && filepath.Ext(to) == "":
		return o.format, nil
	case err != nil:
		return "", usageError{err}
	case o.format != "" && o.format != format:
		return "", usagef("--format %s does not go with %s", o.format, to)
	}
	return format, nil
}

// fitsPicture refuses files that no picture can be written to.
func (o outputOptions) fitsPicture(to string) error {
	_, err := o.formatOf(to)
	return err
}

// writePicture writes p to the job's place.
func (o outputOptions) writePicture(con *console, to string, p *imageio.Picture) error {
	opts := o.write()
	if to == "-" {
		return imageio.Encode(con.out, p, opts)
	}
	format, err := o.formatOf(to)
	if err != nil {
		return err
	}
	opts.Format = format
	if p.Alpha != nil && !imageio.KeepsAlpha(format) {
		con.remark("%s: %s holds no alpha channel: it is left out", to, format)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		return fmt.Errorf("%s: %w", filepath.Dir(to), cause(err))
	}
	return imageio.Write(to, p, opts)
}

// readPicture reads an input.
func readPicture(con *console, path string) (*imageio.Picture, error) {
	if path == "-" {
		return imageio.Decode(con.in, "stdin")
	}
	return imageio.Read(path)
}

// writeFile writes a file that is no picture, all of it or nothing.
func writeFile(to string, write func(io.Writer) error) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		return fmt.Errorf("%s: %w", filepath.Dir(to), cause(err))
	}
	return imageio.Atomic(to, write)
}
