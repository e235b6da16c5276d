// Package assets holds what ships inside the program: the trained priors.
//
// [Priors] is a file system with one safetensors file a prior, which lpn.Read
// opens:
//
//	data, err := fs.ReadFile(assets.Priors(), "gray-25.safetensors")
//	net, err := lpn.Read(bytes.NewReader(data), int64(len(data)))
//
// The folder images beside it, which is not embedded, has the sample pictures
// of the README; README.md there says how each file was made.
package assets
