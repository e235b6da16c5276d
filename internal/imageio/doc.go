// Package imageio reads and writes the pictures that lpn works on.
//
// A [Picture] is an operators.Image - planar float32 samples - together with
// what a file says besides its samples: the depth, the alpha channel, the ICC
// profile. Reading turns any supported file into one:
//
//	p, err := imageio.Read("photo.png")
//	// p.At(c, y, x) is in [0,1]; p.Bits is 8 or 16; p.Alpha is nil or h*w values
//
// and writing turns it back, with the depth, alpha and profile it came with:
//
//	err = imageio.Write("restored.png", p, imageio.Options{})
//
// # What is read
//
// The content decides, never the file's name: PNG, JPEG (turned upright by its
// EXIF orientation), TIFF, BMP, WebP, GIF (first frame) and NumPy .npy arrays
// of float16, float32, float64, uint8, uint16, uint32 or bool in either byte
// order and either memory order. Integers are divided by their largest value; floats are taken
// as they are and never clipped, so a measurement that leaves [0,1] survives.
// A gray file stays one channel, colour becomes three.
//
// # What is written
//
// PNG of 8 or 16 bits (gray, gray with alpha, RGB, RGBA), JPEG, TIFF, and .npy
// float32 (HxW, or HxWx3). An integer file is clipped to [0,1] and rounded to
// the nearest level, so 8- and 16-bit samples that nothing touched come back
// exactly. [Atomic] is how every file is written: to a temporary file beside
// the target that takes its name only when it is complete.
//
// # Bad files
//
// A file that is not an image gives one line that names it. A header is
// believed only as far as the file could hold what it promises, so a short
// file cannot ask for much memory.
package imageio
