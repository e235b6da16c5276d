//go:build small

package imageio

// The small command has no decoder of AV1.
var (
	avifFormats    []format
	avifExtensions []string
)
