package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"
)

func completionCommand() *cli.Command {
	return &cli.Command{
		Name:        "completion",
		Usage:       "print a shell's completion script",
		ArgsUsage:   "bash|zsh|fish",
		Description: "Example: source <(lpn completion bash)",
		Action: func(c *cli.Context) error {
			if err := wantArgs(c, 1, "one of bash, zsh, fish"); err != nil {
				return err
			}
			write, ok := map[string]func(io.Writer, []*cli.Command){
				"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion,
			}[c.Args().First()]
			if !ok {
				return usagef("no completion for %q; want bash, zsh or fish", c.Args().First())
			}
			write(c.App.Writer, c.App.VisibleCommands())
			return nil
		},
	}
}

// options lists a command's flags as they are typed.
func options(c *cli.Command) []string {
	var all []string
	for _, f := range c.Flags {
		for _, n := range f.Names() {
			all = append(all, dashed(n))
		}
	}
	return all
}

func names(commands []*cli.Command) []string {
	var all []string
	for _, c := range commands {
		all = append(all, c.Name)
	}
	return all
}

// words are what may follow a command besides files.
func words(c *cli.Command) string {
	return strings.Join(append(names(c.Subcommands), options(c)...), " ")
}

func bashCompletion(w io.Writer, commands []*cli.Command) {
	fmt.Fprintf(w, `_lpn() {
  local cur=${COMP_WORDS[COMP_CWORD]} words=
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "%s help" -- "$cur"))
    return
  fi
  case ${COMP_WORDS[1]} in
`, strings.Join(names(commands), " "))
	for _, c := range commands {
		fmt.Fprintf(w, "    %s) words=\"%s\" ;;\n", c.Name, words(c))
	}
	io.WriteString(w, `  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur") $(compgen -f -- "$cur"))
}
complete -o filenames -F _lpn lpn
`)
}

func zshCompletion(w io.Writer, commands []*cli.Command) {
	fmt.Fprintf(w, `#compdef lpn
_lpn() {
  if (( CURRENT == 2 )); then
    compadd %s help
    return
  fi
  case $words[2] in
`, strings.Join(names(commands), " "))
	for _, c := range commands {
		fmt.Fprintf(w, "    %s) compadd -- %s ;;\n", c.Name, words(c))
	}
	io.WriteString(w, `  esac
  _files
}
compdef _lpn lpn
`)
}

func fishCompletion(w io.Writer, commands []*cli.Command) {
	quote := func(s string) string { return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'" }
	for _, c := range commands {
		fmt.Fprintf(w, "complete -c lpn -n __fish_use_subcommand -a %s -d %s\n", c.Name, quote(c.Usage))
	}
	for _, c := range commands {
		seen := fmt.Sprintf("'__fish_seen_subcommand_from %s'", c.Name)
		for _, s := range c.Subcommands {
			fmt.Fprintf(w, "complete -c lpn -n %s -a %s -d %s\n", seen, s.Name, quote(s.Usage))
		}
		for _, f := range c.Flags {
			value, text := "", ""
			if d, ok := f.(cli.DocGenerationFlag); ok {
				text = strings.ReplaceAll(d.GetUsage(), "`", "")
				if d.TakesValue() {
					value = " -r"
				}
			}
			for _, n := range f.Names() {
				kind := "-l"
				if len(n) == 1 {
					kind = "-s"
				}
				fmt.Fprintf(w, "complete -c lpn -n %s %s %s%s -d %s\n", seen, kind, n, value, quote(text))
			}
		}
	}
}
