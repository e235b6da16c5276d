// Package imageio reads and writes the pictures that lpn works on.
//
// A [Picture] is an operators.Image - planar float32 samples - together with
// what a file says besides its samples: the type of its numbers, the alpha
// channel, the ICC profile, EXIF, XMP and resolution. Reading turns any supported
// file into one, upright whatever its orientation:
//
//	p, err := imageio.Read("photo.png")
//	// p.At(c, y, x) is in [0,1]; p.Bits is 8 or 16; p.Alpha is nil or h*w values
//
// and writing turns it back, with all that it came with:
//
//	err = imageio.Write("restored.png", p, imageio.Options{})
//
// # Numbers and units
//
// Unsigned integers of up to 16 bits are divided by their largest value; this is
// what image files hold, and p.Scale, 255 or 65535, gives the file's numbers back.
// All other numbers have units of their own - counts, Hounsfield units, flux,
// attenuation - and are taken as they are, never clipped: p.[Picture.Native] is
// true, p.Low and p.High are the ends of the scale where the file declares them,
// and p.[Picture.Extent] finds those of the samples. Numbers that a file marks as
// missing (NaN, BLANK, no data) are listed in p.Missing and filled from their neighbours.
//
// # Pages
//
// [Open] opens a file of several pages, which are decoded one at a time:
//
//	f, err := imageio.Open("stack.tif")
//	defer f.Close()
//	for p, err := range f.All() {
//		...
//	}
//
// Pages are the directories of a TIFF (not its previews and masks), the first
// index of an array, the frames of a DICOM or FITS volume, and what a viewer
// shows of each frame of an animated GIF, PNG or WebP. [WritePages] writes them
// one by one: as pages of a TIFF, as one array, volume or animated PNG. GIF and
// WebP are not written; their animations go on as animated PNG, which loses
// nothing, with the times that they came with.
//
// # What is read
//
// The content decides, never the file's name:
//
//   - PNG, JPEG, BMP, WebP, GIF, by the standard library, x/image and imaging
//   - TIFF and BigTIFF of 1 to 64 bits, signed, unsigned or float (16, 24, 32,
//     64), strips or tiles, interleaved or in planes; uncompressed, LZW, deflate,
//     packbits, fax or JPEG; gray, RGB, palette, CMYK, with opacity
//   - .npy of every real type, HxW, HxWxC or CxHxW with C of 1 or 3, and pages of
//     those in front; unsigned integers of HxWx2 and HxWx4 with opacity
//   - DICOM: gray as slope times number plus intercept, whatever window there is;
//     RGB and YBR; uncompressed, deflated, RLE, JPEG of 8 bits and lossless JPEG
//   - FITS images of every BITPIX with BZERO, BSCALE and BLANK, rows in the order
//     of the file
//   - PGM and PPM; PFM, whose samples are linear light
//   - OpenEXR, whose samples are linear light: scan lines and tiles of one part, of R,
//     G and B or of one channel, with or without opacity, as half, float or uint;
//     uncompressed, RLE, ZIP or PIZ. The picture is the data window
//   - AVIF of one picture, of 8, 10 or 12 bits, with opacity, and in tiles; not in a
//     program built with -tags small, for the decoder of AV1 adds 4 MB
//
// HEIC and JPEG XL are not. The decoder of HEIC for Go drops opacity, gives 8 bits of 10,
// does not return from some damaged files, and is under the LGPL; for JPEG XL there is none
// that could be had. They, JPEG 2000, raw pictures of cameras and others are named in the
// error, with what to do.
//
// # What is written
//
// PNG of 8 or 16 bits (gray, gray with alpha, RGB, RGBA), JPEG, TIFF of 8 or 16
// bits or floats, .npy and PFM of floats; OpenEXR of half floats or floats, with the
// windows and attributes that the picture came with; FITS of floats with the header that the
// picture came with; DICOM as the file that it came from with new pixels, in the
// same numbers, and a new identity. Integers are clipped to [0,1] and rounded to
// the nearest level, so 8- and 16-bit samples that nothing touched come back
// exactly; [Clipped] tells beforehand what that costs. PNG and TIFF are deflated
// in blocks on all cores, and the bytes do not depend on how many there are.
// [Atomic] is how every file is written: to a temporary file next to the target
// that takes its name only when it is complete.
//
// Size and resolution in EXIF follow the picture, its preview is dropped, and
// [Meta.Scale] tells the resolution of a picture that was enlarged.
//
// # Bad files
//
// A file that is not an image gives one line that names it. "damaged" describes
// files that are; a sound file of a kind that is not read is an [Unsupported]. A
// header is believed only as far as the file could hold what it promises, so a
// short file cannot ask for much memory.
package imageio
