// Package assets holds what ships inside the program: the files of the trained
// priors. Package lpn/priors opens them by name.
//
// The folder images, which is not embedded, has the sample images of
// the README; README.md there says how each file was made.
package assets
