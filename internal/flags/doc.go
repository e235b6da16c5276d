// Package flags takes the values of a command's flags for what they ask for: files that
// they name, the tuned parameters, the options of a restoration. The commands lpn and
// lpn-beam share it, so that a flag means the same in both.
//
// A zero value stands for a flag that was not given.
package flags

import (
	"errors"
	"fmt"

	"github.com/lpn-imaging/lpn/internal/spell"
	"github.com/lpn-imaging/lpn/lpn/restore"
)

// An Error is a value that a flag cannot take.
type Error struct {
	Flag string // without its dashes
	Err  error
}

func (e *Error) Error() string { return "--" + e.Flag + ": " + e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

func bad(flag, format string, args ...any) error { return &Error{flag, fmt.Errorf(format, args...)} }

// Of is err as one about a flag where it is about an option of a restoration, else err.
func Of(err error) error {
	var option *restore.OptionError
	if errors.As(err, &option) {
		return &Error{option.Option, errors.New(option.Reason)}
	}
	return err
}

// Suggest is " (did you mean ...?)" where one of names is near to name, else "".
func Suggest(name string, names []string) string {
	if best := spell.Nearest(name, names); best != "" {
		return fmt.Sprintf(" (did you mean %q?)", best)
	}
	return ""
}
