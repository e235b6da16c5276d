// Package plot draws the figures of the lpn program: lines with bands, boxes,
// heat maps, contours and contact sheets, as PNG or SVG, and writes what is
// drawn as CSV or NumPy's npz.
//
// A figure is a value; Write renders one or several, one below the other:
//
//	f := plot.Lines{X: "noise (255ths)", Y: "R/sigma²", Series: []plot.Series{
//		{Name: "mean of 12 pictures", X: levels, Y: mean, Lo: low, Hi: high},
//	}}
//	err := plot.Write(w, "png", f)
//
// The colours are those of Okabe & Ito, which people with any of the common
// colour deficiencies tell apart; series also differ in dashes. Maps of one
// sign use a scale of growing lightness, maps of both signs blue to red
// through gray (Moreland).
package plot
