package explore

import "io"

// Data writes the numbers behind figures: CSV as a tidy table, NPZ as NumPy's arrays with
// named axes, nil where there is none. The errors are those of the writer.
type Data struct{ CSV, NPZ func(io.Writer) error }

// DataOf are results of one kind as data: see WriteCSV and WriteNPZ.
func DataOf[T interface {
	Table
	Grid
}](results ...T) Data {
	return Data{
		CSV: func(w io.Writer) error { return WriteCSV(w, results...) },
		NPZ: func(w io.Writer) error { return WriteNPZ(w, results...) },
	}
}
