package main

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

//go:generate go test -run TestDocs -update .

// docsCommand prints the manual; hidden, for packagers.
func docsCommand() *cli.Command {
	return &cli.Command{
		Name:        "docs",
		Usage:       "print the manual",
		ArgsUsage:   "markdown|man",
		Description: "Example: lpn docs man > lpn.1",
		Hidden:      true,
		Action: func(c *cli.Context) error {
			if err := wantArgs(c, 1, "one of markdown, man"); err != nil {
				return err
			}
			write, ok := map[string]func(io.Writer, *cli.App){"markdown": writeMarkdown, "man": writeMan}[c.Args().First()]
			if !ok {
				return usagef("no manual in %q; want markdown or man", c.Args().First())
			}
			write(c.App.Writer, c.App)
			return nil
		},
	}
}

// A section is a command as the manuals show it.
type section struct {
	name string // with that of the command above it
	*cli.Command
	flags    []flagDoc
	prose    string
	examples []string
}

// A flagDoc is a flag: how it is written, and what it does.
type flagDoc struct{ spelling, text string }

var quoted = regexp.MustCompile("`([^`]*)`")

// sections lists the commands and those below them.
func sections(commands []*cli.Command, above string) []section {
	var all []section
	for _, c := range commands {
		if c.Hidden || c.Name == "help" {
			continue
		}
		s := section{name: strings.TrimSpace(above + " " + c.Name), Command: c}
		s.prose, s.examples = splitExamples(c.Description)
		for _, f := range c.Flags {
			if !slices.Contains(commonNames, f.Names()[0]) {
				s.flags = append(s.flags, describeFlag(f))
			}
		}
		all = append(all, s)
		all = append(all, sections(c.Subcommands, s.name)...)
	}
	return all
}

// splitExamples takes the command lines that follow "Example:" or "Examples:"
// off a description.
func splitExamples(text string) (prose string, examples []string) {
	at := strings.LastIndex(text, "Example")
	if at < 0 {
		return text, nil
	}
	_, after, _ := strings.Cut(text[at:], ":")
	for line := range strings.Lines(after) {
		if line = strings.TrimSpace(line); line != "" {
			examples = append(examples, line)
		}
	}
	return strings.TrimSpace(text[:at]), examples
}

func describeFlag(f cli.Flag) flagDoc {
	var names []string
	for _, n := range f.Names() {
		names = append(names, dashed(n))
	}
	d := flagDoc{spelling: strings.Join(names, ", ")}
	doc, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return d
	}
	d.text = doc.GetUsage()
	if !doc.TakesValue() {
		return d
	}
	value := "VALUE"
	if m := quoted.FindStringSubmatch(d.text); m != nil {
		value = m[1]
	}
	d.spelling += " " + value
	d.text = strings.ReplaceAll(d.text, "`", "")
	given := doc.GetDefaultText()
	if given == "" {
		given = doc.GetValue()
	}
	// The text explains the default already.
	if given = strings.Trim(given, `"`); given != "" && given != "0" {
		d.text += fmt.Sprintf(" (default: %s)", given)
	}
	return d
}

const manualIntro = `Data goes to stdout, everything else to stderr. Errors are one line. The exit
status is 0 when all is done, 1 when the work failed, 2 for bad usage, 3 when
some inputs of a batch failed (each is named, the others are written) and 130
after Ctrl-C, with nothing half-written. Output is never coloured, so NO_COLOR
changes nothing. LPN_CPU=generic, neon, avx2 or avx512 lowers the vector instructions
in use, GOMEMLIMIT the memory.`

// writeMarkdown prints the manual as docs/cli.md.
func writeMarkdown(w io.Writer, app *cli.App) {
	fmt.Fprintf(w, "# lpn: the command line\n\n<!-- Made by go generate ./cmd/lpn from the commands themselves. -->\n\n%s\n", manualIntro)
	fmt.Fprint(w, "\n| command | does |\n|---|---|\n")
	all := sections(app.Commands, "")
	for _, s := range all {
		fmt.Fprintf(w, "| [`lpn %s`](#lpn-%s) | %s |\n", s.name, strings.ReplaceAll(s.name, " ", "-"), s.Usage)
	}
	flags := func(list []flagDoc) {
		if len(list) == 0 {
			return
		}
		fmt.Fprint(w, "\n| flag | |\n|---|---|\n")
		for _, f := range list {
			fmt.Fprintf(w, "| `%s` | %s |\n", f.spelling, strings.ReplaceAll(f.text, "|", `\|`))
		}
	}
	fmt.Fprint(w, "\n## Flags of every command\n")
	flags(commonDocs())
	for _, s := range all {
		fmt.Fprintf(w, "\n## lpn %s\n\n    lpn %s%s\n\n%s.\n", s.name, s.name, arguments(s), upper(s.Usage))
		if s.prose != "" {
			fmt.Fprintf(w, "\n%s\n", s.prose)
		}
		for i, e := range s.examples {
			if i == 0 {
				fmt.Fprintln(w)
			}
			fmt.Fprintf(w, "    %s\n", e)
		}
		flags(s.flags)
	}
}

// writeMan prints the manual as a page of section 1 (man 7 man).
func writeMan(w io.Writer, app *cli.App) {
	escape := func(s string) string {
		s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
		if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
			s = `\&` + s
		}
		return s
	}
	text := func(s string) {
		list := false
		for line := range strings.Lines(s) {
			line = strings.TrimRight(line, "\n")
			item, ok := strings.CutPrefix(line, "- ")
			switch {
			case ok:
				list = true
				fmt.Fprintln(w, `.IP \(bu 2`)
			case line == "" && list:
				list = false
				fmt.Fprintln(w, ".PP")
				continue
			}
			fmt.Fprintln(w, escape(strings.TrimSpace(item)))
		}
	}
	flags := func(list []flagDoc) {
		for _, f := range list {
			fmt.Fprintf(w, ".TP\n.B %s\n%s\n", escape(f.spelling), escape(f.text))
		}
	}
	fmt.Fprintf(w, ".TH LPN 1\n.SH NAME\nlpn \\- %s\n.SH SYNOPSIS\n.B lpn\n.I COMMAND\n[flags] [arguments]\n.SH DESCRIPTION\n", escape(app.Usage))
	text(manualIntro)
	fmt.Fprintln(w, ".SH FLAGS OF EVERY COMMAND")
	flags(commonDocs())
	fmt.Fprintln(w, ".SH COMMANDS")
	for _, s := range sections(app.Commands, "") {
		fmt.Fprintf(w, ".SS lpn %s%s\n%s.\n", escape(s.name), escape(arguments(s)), escape(upper(s.Usage)))
		if s.prose != "" {
			fmt.Fprintln(w, ".PP")
			text(s.prose)
		}
		for _, e := range s.examples {
			fmt.Fprintf(w, ".PP\n.EX\n%s\n.EE\n", escape(e))
		}
		flags(s.flags)
	}
}

func commonDocs() []flagDoc {
	var all []flagDoc
	for _, f := range common() {
		all = append(all, describeFlag(f))
	}
	return all
}

func arguments(s section) string {
	out := ""
	switch {
	case len(s.Subcommands) > 0:
		out = " COMMAND"
	case len(s.flags) > 0:
		out = " [flags]"
	}
	if s.ArgsUsage != "" {
		out += " " + s.ArgsUsage
	}
	return out
}

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
