package imageio

import "bytes"

// readWebPNotes reads the chunks of a WebP other than its pixels.
func readWebPNotes(data []byte) (m notes) {
	eachRIFF(data[min(12, len(data)):], func(kind string, body []byte) {
		if len(body) == 0 || len(body) > maxProfile {
			return
		}
		switch kind {
		case "ICCP":
			m.icc = bytes.Clone(body)
		case "EXIF": // some writers put JPEG's mark before it
			m.meta.EXIF = bytes.TrimPrefix(body, []byte(exifMarker))
		case "XMP ":
			m.meta.XMP = bytes.Clone(body)
		}
	})
	return m
}
