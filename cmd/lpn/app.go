package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/lpn-imaging/lpn/internal/spell"
	"github.com/urfave/cli/v2"
)

// Exit codes.
const (
	exitOK        = 0
	exitFailed    = 1   // the work failed
	exitUsage     = 2   // the command line is wrong, or names a file that is not there
	exitPartly    = 3   // a batch finished, but some inputs failed
	exitInterrupt = 130 // Ctrl-C
)

// A usageError is a mistake in the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// A partlyError is a batch of which some inputs failed; each was named when
// it happened.
type partlyError struct{ failed, total int }

func (e partlyError) Error() string {
	return fmt.Sprintf("%d of %d inputs failed", e.failed, e.total)
}

// An interruptedError is work that Ctrl-C ended in good order, and says how to
// go on.
type interruptedError struct{ text string }

func (e interruptedError) Error() string { return e.text }

// run is the whole program: it does what args say and returns the exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	app := newApp(in, out, errOut)
	words, err := arrange(app, args)
	if err == nil {
		err = app.RunContext(ctx, append([]string{"lpn"}, words...))
	}
	say := func(line string) { fmt.Fprintln(errOut, "lpn: "+line) }
	if logsJSON(args) {
		say = func(line string) { newLogger(errOut).Error(line) }
	}
	return report(ctx, say, err)
}

// logsJSON finds --log-format json, or --log json, in args, which need not be
// right otherwise.
func logsJSON(args []string) bool {
	for i, a := range args {
		name, isFlag := flagName(a)
		if !isFlag || name != "log-format" && name != "log" {
			continue
		}
		if _, value, ok := strings.Cut(a, "="); ok {
			return value == "json"
		}
		return i+1 < len(args) && args[i+1] == "json"
	}
	return false
}

// report says what err is in one line and returns its exit code.
func report(ctx context.Context, say func(line string), err error) int {
	if err == nil {
		return exitOK
	}
	if errors.As(err, new(interruptedError)) {
		say(err.Error())
		return exitInterrupt
	}
	if ctx.Err() != nil && !errors.As(err, new(partlyError)) || errors.Is(err, context.Canceled) {
		say("interrupted")
		return exitInterrupt
	}
	line := strings.TrimSpace(strings.ReplaceAll(err.Error(), "\n", " "))
	say(strings.TrimPrefix(line, "lpn: "))
	switch {
	case errors.As(err, new(usageError)):
		return exitUsage
	case errors.As(err, new(partlyError)):
		return exitPartly
	}
	return exitFailed
}

func newApp(in io.Reader, out, errOut io.Writer) *cli.App {
	app := &cli.App{
		Name:      "lpn",
		Usage:     "restore images with learned proximal networks",
		UsageText: "lpn COMMAND [flags] [arguments]",
		Version:   version(),
		Reader:    in,
		Writer:    out,
		ErrWriter: errOut,
		// Errors come back to run; the library would print and exit itself.
		ExitErrHandler: func(*cli.Context, error) {},
		Commands: []*cli.Command{
			restoreCommand(),
			degradeCommand(),
			measureCommand(),
			trainCommand(),
			evalCommand(),
			tuneCommand(),
			compareCommand(),
			noiseCommand(),
			priorCommand(),
			verifyCommand(),
			exploreCommand(),
			serveCommand(),
			priorsCommand(),
			infoCommand(),
			applyCommand(),
			psfCommand(),
			importCommand(),
			exportCommand(),
			doctorCommand(),
			completionCommand(),
			docsCommand(),
			versionCommand(),
		},
		Action: func(c *cli.Context) error { return cli.ShowAppHelp(c) },
	}
	for _, c := range app.Commands {
		finish(c)
	}
	return app
}

// finish gives a command, and those below it, what all of them have.
func finish(c *cli.Command) {
	c.OnUsageError = func(_ *cli.Context, err error, _ bool) error { return usageError{err} }
	c.HideHelpCommand = true
	for _, s := range c.Subcommands {
		finish(s)
	}
}

// commonNames are the names of those that common adds.
var commonNames = []string{"json", "quiet", "threads", "log-format", "seed"}

// common are the flags of every command.
func common(more ...cli.Flag) []cli.Flag {
	return append(more,
		&cli.BoolFlag{Name: "json", Usage: "print one JSON object on stdout and nothing else"},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print no progress and no remarks on stderr"},
		&cli.IntFlag{Name: "threads", Usage: "use `N` cores (default: all); the result is the same for any number"},
		&cli.StringFlag{Name: "log-format", Value: "text", Usage: "write stderr as `FORMAT` text or json (one object on each line, with time, level and msg); --log json and --log text mean the same"},
		&cli.Uint64Flag{Name: "seed", Usage: "seed `N` of all random numbers"},
	)
}

// mostThreads is far above any use, and below what chokes the scheduler.
const mostThreads = 1024

// action adapts a command's function to the library.
func action(f func(c *cli.Context, con *console) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		switch n := c.Int("threads"); {
		case n < 0 || n > mostThreads:
			return usagef("--threads: %d; want 1 to %d, or 0 for all cores", n, mostThreads)
		case n > 0:
			runtime.GOMAXPROCS(n)
		}
		if l := c.String("log-format"); l != "text" && l != "json" {
			return usagef("--log-format: %q; want text or json", l)
		}
		return f(c, newConsole(c))
	}
}

// wantArgs checks the number of arguments.
func wantArgs(c *cli.Context, n int, what string) error {
	if c.NArg() != n {
		return usagef("%s wants %s, got %d arguments (lpn help %s)", c.Command.Name, what, c.NArg(), c.Command.Name)
	}
	return nil
}

// arrange checks the names of commands and flags and moves flags before the
// arguments, where the flag package wants them: lpn takes them anywhere, up
// to a "--".
func arrange(app *cli.App, args []string) ([]string, error) {
	if len(args) == 0 {
		return args, nil
	}
	global := []string{"help", "h", "version", "v"}
	if name, isFlag := flagName(args[0]); isFlag {
		if !slices.Contains(global, name) {
			return nil, usagef("%q comes before any command; want lpn COMMAND [flags]%s", args[0], suggest(args[0], global))
		}
		return args[:1], nil
	}
	if args[0] == "help" || args[0] == "h" {
		return arrangeHelp(app, args)
	}
	cmd, err := findCommand(app.Commands, args[0], "command")
	if err != nil {
		return nil, err
	}
	words := []string{cmd.Name}
	rest := args[1:]
	if len(cmd.Subcommands) > 0 && len(rest) > 0 {
		if _, isFlag := flagName(rest[0]); !isFlag {
			if cmd, err = findCommand(cmd.Subcommands, rest[0], "lpn "+cmd.Name+" command"); err != nil {
				return nil, err
			}
			words, rest = append(words, cmd.Name), rest[1:]
		}
	}
	if cmd.SkipFlagParsing { // another program's
		return append(words, rest...), nil
	}
	flags, arguments, err := splitFlags(cmd, rest)
	if err != nil {
		return nil, err
	}
	words = append(words, flags...)
	if len(arguments) > 0 {
		words = append(append(words, "--"), arguments...)
	}
	return words, nil
}

// arrangeHelp turns "help NAME" into "NAME --help".
func arrangeHelp(app *cli.App, args []string) ([]string, error) {
	if len(args) == 1 {
		return []string{"--help"}, nil
	}
	words := []string{}
	commands := app.Commands
	for _, a := range args[1:] {
		cmd, err := findCommand(commands, a, "command")
		if err != nil {
			return nil, err
		}
		words, commands = append(words, cmd.Name), cmd.Subcommands
	}
	return append(words, "--help"), nil
}

func findCommand(commands []*cli.Command, name, what string) (*cli.Command, error) {
	var names []string
	for _, c := range commands {
		if c.HasName(name) {
			return c, nil
		}
		names = append(names, c.Name)
	}
	return nil, usagef("unknown %s %q%s; want %s", what, name, suggest(name, names), strings.Join(names, ", "))
}

// splitFlags separates flags, with their values, from arguments.
func splitFlags(cmd *cli.Command, args []string) (flags, arguments []string, err error) {
	byName := map[string]cli.Flag{"help": cli.HelpFlag, "h": cli.HelpFlag}
	var names []string
	for _, f := range cmd.Flags {
		for _, n := range f.Names() {
			byName[n] = f
			names = append(names, n)
		}
	}
	for i := 0; i < len(args); i++ {
		a := args[i]
		if a == "--" {
			return flags, append(arguments, args[i+1:]...), nil
		}
		name, isFlag := flagName(a)
		if !isFlag {
			arguments = append(arguments, a)
			continue
		}
		f, known := byName[name]
		// train has a --log FILE.csv; any --log takes these two words.
		if v := logFormat(args[i:], name); v != "" {
			flags = append(flags, "--log-format="+v)
			if !strings.Contains(a, "=") {
				i++
			}
			continue
		}
		if known && (name == "help" || name == "h") {
			return []string{"--help"}, nil, nil // whatever else there is
		}
		if _, err := os.Lstat(a); err == nil && !known {
			return nil, nil, usagef("%s has no flag %s; for the file of that name write ./%s", cmd.Name, dashed(name), a)
		}
		if !known {
			return nil, nil, usagef("%s has no flag %s%s (lpn help %s)", cmd.Name, dashed(name), suggest(dashed(name), names), cmd.Name)
		}
		flags = append(flags, a)
		_, value, given := strings.Cut(a, "=")
		if !given && takesValue(f) {
			if i++; i == len(args) {
				return nil, nil, usagef("%s needs a value", dashed(name))
			}
			if next, _ := flagName(args[i]); strings.HasPrefix(args[i], "--") && slices.Contains(names, next) {
				return nil, nil, usagef("%s needs a value, got the flag %s", dashed(name), dashed(next))
			}
			value, given = args[i], true
			flags = append(flags, value)
		}
		if given {
			if err := checkValue(f, name, value); err != nil {
				return nil, nil, err
			}
		}
	}
	return flags, arguments, nil
}

func takesValue(f cli.Flag) bool {
	d, ok := f.(cli.DocGenerationFlag)
	return ok && d.TakesValue()
}

// checkValue refuses what a flag cannot take, in the words of this program.
func checkValue(f cli.Flag, name, value string) error {
	var err error
	switch f.(type) {
	case *cli.IntFlag:
		_, err = strconv.ParseInt(value, 0, strconv.IntSize)
	case *cli.Uint64Flag:
		_, err = strconv.ParseUint(value, 0, 64)
	case *cli.Float64Flag:
		_, err = strconv.ParseFloat(value, 64)
	case *cli.BoolFlag:
		if _, err := strconv.ParseBool(value); err != nil {
			return usagef("--%s: %q is neither true nor false", name, value)
		}
	}
	if err != nil {
		return usagef("--%s: %q is not a number it can take", name, value)
	}
	return nil
}

// logFormat is the value of a --log that names a format, the first of args.
func logFormat(args []string, name string) string {
	_, v, ok := strings.Cut(args[0], "=")
	if !ok && len(args) > 1 {
		v = args[1]
	}
	if name != "log" || v != "json" && v != "text" {
		return ""
	}
	return v
}

// flagName takes the dashes and the value off a flag. A lone dash is stdin,
// and a negative number no flag.
func flagName(a string) (string, bool) {
	if len(a) < 2 || a[0] != '-' || a[1] >= '0' && a[1] <= '9' {
		return "", false
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(a[1:], "-"), "=")
	return name, true
}

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// suggest is spell.Hint, with dashes before the hint where name has them.
func suggest(name string, names []string) string {
	best := spell.Nearest(strings.TrimLeft(name, "-"), names)
	if best == "" {
		return ""
	}
	if _, isFlag := flagName(name); isFlag {
		best = dashed(best)
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}
