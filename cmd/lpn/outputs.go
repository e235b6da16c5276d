package main

import (
	"fmt"
	"io"
	"iter"
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
	// compression of PNG and TIFF is fast or small.
	compression string
	workers     int // goroutines that compress; 0: all cores
	force       bool
	skip        bool
	recurse     bool
}

// formatNames are the formats that are written, for messages.
const formatNames = "png, jpeg, tiff, npy, pfm, exr, fits or dicom"

func outputFlags(suffix string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write to a `FILE`, a folder, a template, or - for stdout", DefaultText: "{dir}/{name}" + suffix + "{ext}"},
		&cli.StringFlag{Name: "format", Usage: "`FORMAT` for stdout and for {ext}: " + formatNames},
		&cli.IntFlag{Name: "bits", Usage: "write `N` bits for each sample: 8 or 16 in PNG and TIFF, 32 for floats in TIFF, 16 or 32 for floats in OpenEXR (default: as the input)"},
		&cli.IntFlag{Name: "quality", Value: 95, Usage: "JPEG quality `N`, 1 to 100"},
		&cli.StringFlag{Name: "compression", Value: "fast", Usage: "how PNG, TIFF and OpenEXR are compressed: `HOW` is fast or small"},
		&cli.BoolFlag{Name: "force", Usage: "overwrite outputs that exist"},
		&cli.BoolFlag{Name: "skip-existing", Usage: "skip inputs whose output exists"},
		&cli.BoolFlag{Name: "recursive", Aliases: []string{"r"}, Usage: "also work on the folders below a folder, and keep the tree"},
	}
}

func outputFrom(c *cli.Context) outputOptions {
	return outputOptions{
		to: c.String("output"), format: c.String("format"), bits: c.Int("bits"), quality: c.Int("quality"),
		compression: c.String("compression"), force: c.Bool("force"), skip: c.Bool("skip-existing"), recurse: c.Bool("recursive"),
	}
}

// check refuses options that contradict each other.
func (o outputOptions) check(con *console) error {
	switch {
	case o.bits != 0 && o.bits != 8 && o.bits != 16 && o.bits != 32:
		return usagef("--bits: %d; want 8 or 16, or 32 for a TIFF of floats", o.bits)
	case o.compression != "" && o.compression != "fast" && o.compression != "small":
		return usagef("--compression: %q; want fast or small", o.compression)
	case o.quality < 1 || o.quality > 100:
		return usagef("--quality: %d; want 1 to 100", o.quality)
	case o.force && o.skip:
		return usagef("--force and --skip-existing contradict each other")
	case o.format != "" && imageio.ExtensionOf(o.format) == "":
		return usagef("--format: %q; want %s", o.format, formatNames)
	case o.to == "-" && o.format == "":
		return usagef("-o - wants --format png or npy (or jpeg, tiff)")
	case o.to == "-" && con.json:
		return usagef("-o - and --json both want stdout")
	}
	return nil
}

func (o outputOptions) write() imageio.Options {
	return imageio.Options{Format: o.format, Bits: o.bits, Quality: o.quality, Compression: o.compression, Workers: o.workers}
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
	return ext == measurementExt || slices.Contains(imageio.Extensions, ext)
}

// A job is an input with its place to go.
type job struct {
	input
	to  string
	err error // why it cannot be done
}

// plan gives every input its output. suffix marks outputs that land beside
// their inputs, ext is the extension that an input asks for, and fits refuses
// files that cannot hold the output. Jobs are made of the inputs of the shard; the
// others are looked at only for names that clash.
func (o outputOptions) plan(inputs []input, batch bool, mine shard, suffix string, ext func(input) string, fits func(to string) error) ([]job, error) {
	var jobs []job
	var known inodes
	taken := map[string]string{}
	dir := o.folder(batch)
	if batch && o.namesFile() {
		return nil, usagef("-o %s is one file, the inputs may be many: name a folder, %s/ if it is to have that name, or a template with {name}", o.to, o.to)
	}
	places, err := o.places(inputs, dir, suffix, ext)
	if err != nil {
		return nil, err
	}
	for i, in := range inputs {
		to := places[i]
		if !mine.has(i) {
			if _, twice := taken[to]; !twice {
				taken[to] = in.path
			}
			continue
		}
		if to != "-" {
			if err := fits(to); err != nil {
				return nil, err
			}
			if other, twice := taken[to]; twice {
				jobs = append(jobs, job{in, to, fmt.Errorf("%s: %s is written to %s already: choose another -o for one of them", in.path, other, to)})
				continue
			}
			taken[to] = in.path
			if err := known.noInput(to, in, inputs); err != nil {
				return nil, err
			}
			if _, err := os.Lstat(to); err == nil && !o.force && !o.skip && isRegular(to) {
				return nil, usagef("%s exists: --force overwrites it, --skip-existing passes it over", to)
			}
		}
		jobs = append(jobs, job{in, to, nil})
	}
	return jobs, nil
}

// places gives every input its place. Of inputs that would go to the same one,
// such as a.gif and a.png, those of another extension than the output's keep
// their whole name: a.gif.png.
func (o outputOptions) places(inputs []input, dir, suffix string, ext func(input) string) ([]string, error) {
	places := make([]string, len(inputs))
	count := map[string]int{}
	for i, in := range inputs {
		to, err := o.place(in, dir, suffix, ext, false)
		if err != nil {
			return nil, err
		}
		places[i] = to
		count[to]++
	}
	for i, in := range inputs {
		if to := places[i]; count[to] > 1 && !strings.EqualFold(filepath.Ext(in.path), filepath.Ext(to)) {
			whole, err := o.place(in, dir, suffix, ext, true)
			if err != nil {
				return nil, err
			}
			places[i] = whole
		}
	}
	return places, nil
}

// inodes finds the inputs that a file is, by any name. Files that are one have one
// size and one time, so that only few need comparing.
type inodes struct{ bySize map[[2]int64][]inode }

type inode struct {
	in   input
	info os.FileInfo
}

func sizeAndTime(st os.FileInfo) [2]int64 { return [2]int64{st.Size(), st.ModTime().UnixNano()} }

// noInput refuses an output that is one of the inputs, by name or by link: that of
// in, or one that another input still waits in.
func (n *inodes) noInput(to string, in input, inputs []input) error {
	if in.path != "-" && filepath.Clean(in.path) == filepath.Clean(to) {
		return usagef("%s would overwrite itself: choose another -o", in.path)
	}
	st, err := os.Stat(to)
	if err != nil || !st.Mode().IsRegular() {
		return nil
	}
	if n.bySize == nil {
		n.bySize = map[[2]int64][]inode{}
		for _, o := range inputs {
			if info, err := os.Stat(o.path); err == nil {
				k := sizeAndTime(info)
				n.bySize[k] = append(n.bySize[k], inode{o, info})
			}
		}
	}
	for _, o := range n.bySize[sizeAndTime(st)] {
		switch {
		case !os.SameFile(st, o.info):
		case o.in == in:
			return usagef("%s would overwrite itself: choose another -o", in.path)
		default:
			return usagef("%s would overwrite the input %s: choose another -o", in.path, o.in.path)
		}
	}
	return nil
}

func isRegular(path string) bool {
	st, err := os.Stat(path)
	return err != nil || st.Mode().IsRegular()
}

// place is where an input goes; whole keeps its extension in the name.
func (o outputOptions) place(in input, dir, suffix string, ext func(input) string, whole bool) (string, error) {
	name := filepath.Base(in.rel)
	if !whole {
		name = strings.TrimSuffix(name, filepath.Ext(in.rel))
	}
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
	case o.to == "" && in.to != "":
		return in.to, nil
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

// writeTo is how a picture is written to a place.
func (o outputOptions) writeTo(to string) (imageio.Options, error) {
	opts := o.write()
	if to == "-" {
		return opts, nil
	}
	format, err := o.formatOf(to)
	opts.Format = format
	return opts, err
}

// writePicture writes p to the job's place.
func (o outputOptions) writePicture(con *console, to string, p *imageio.Picture) error {
	return o.writePages(con, to, 1, func(yield func(*imageio.Picture, error) bool) { yield(p, nil) })
}

// writePages writes n pages to the job's place.
func (o outputOptions) writePages(con *console, to string, n int, pages iter.Seq2[*imageio.Picture, error]) error {
	opts, err := o.writeTo(to)
	if err != nil {
		return err
	}
	if to == "-" {
		return imageio.EncodePages(con.out, n, pages, opts)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		return fmt.Errorf("%s: %w", filepath.Dir(to), cause(err))
	}
	return imageio.WritePages(to, n, func(yield func(*imageio.Picture, error) bool) {
		for p, err := range pages {
			if err == nil && p.Alpha != nil && !imageio.KeepsAlpha(opts.Format) {
				con.remark("%s: %s holds no alpha channel: it is left out", to, opts.Format)
			}
			if !yield(p, err) {
				return
			}
		}
	}, opts)
}

// readPicture reads an input, the first page of several.
func readPicture(con *console, path string) (*imageio.Picture, error) {
	f, err := openPages(con, path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.Pages() > 1 {
		con.remark("%s: only the first of %d pages is used", path, f.Pages())
	}
	return f.Page(0)
}

// openPages opens an input, - for stdin.
func openPages(con *console, path string) (*imageio.File, error) {
	if path == "-" {
		return imageio.NewFile(con.in, "stdin")
	}
	return imageio.Open(path)
}

// writeFile writes a file that is no picture, all of it or nothing.
func writeFile(to string, write func(io.Writer) error) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		return fmt.Errorf("%s: %w", filepath.Dir(to), cause(err))
	}
	return imageio.Atomic(to, write)
}
