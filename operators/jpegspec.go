package operators

import (
	"fmt"
	"strconv"
)

// Table is the format as numbers, with a row for each plane: Down, Across, 1 for RGB or
// 0, and the 64 steps. It is the Data of a Spec of jpeg and the array file of a
// measurement file.
func (f JPEGFormat) Table() Image {
	m := NewImage(Shape{C: 1, H: len(f.Planes), W: 3 + 64})
	for i, p := range f.Planes {
		row := m.Pix[i*m.W : (i+1)*m.W]
		row[0], row[1] = float32(p.Down), float32(p.Across)
		if f.RGB {
			row[2] = 1
		}
		for k, q := range p.Step {
			row[3+k] = float32(q)
		}
	}
	return m
}

// ReadJPEGTable is the format of which m is the Table.
func ReadJPEGTable(m Image) (JPEGFormat, error) {
	if m.C != 1 || m.W != 3+64 || m.H != 1 && m.H != 3 {
		return JPEGFormat{}, fmt.Errorf("JPEG tables of %dx%d numbers; want one row of 67 or three", m.H, m.W)
	}
	var f JPEGFormat
	for i := range m.H {
		row := m.Pix[i*m.W : (i+1)*m.W]
		for _, v := range row {
			if v != float32(uint16(v)) {
				return f, fmt.Errorf("JPEG tables with the number %v; want whole numbers", v)
			}
		}
		p := JPEGPlane{Down: int(row[0]), Across: int(row[1])}
		for k := range p.Step {
			p.Step[k] = uint16(row[3+k])
		}
		f.Planes = append(f.Planes, p)
		f.RGB = f.RGB || row[2] != 0
	}
	return f, f.check(m.H)
}

// Rounded reports whether the operator is the encoder of JPEG files, whose
// measurements are coefficients rounded to the steps of a table: a Quantiser.
func (sp Spec) Rounded() bool { return sp.orDenoise().form.rounded }

// JPEG is the format of a spec of jpeg for pictures of that many channels. ok is
// false for other operators, and where the tables are missing or bad.
func (sp Spec) JPEG(channels int) (f JPEGFormat, ok bool) {
	if !sp.Rounded() || sp.loaded() != nil {
		return f, false
	}
	f, err := sp.jpegFormat(channels)
	return f, err == nil
}

func (sp Spec) jpegFormat(channels int) (JPEGFormat, error) {
	if table, have := sp.Content(""); have {
		return ReadJPEGTable(table)
	}
	return StandardJPEG(channels, sp.int("quality"), sp.int("subsampling"))
}

// JPEGSpec is the spec of a JPEG file with that format.
func JPEGSpec(f JPEGFormat) Spec {
	sp, err := ParseSpec("jpeg")
	if err != nil {
		panic(err)
	}
	return sp.WithData(f.Table())
}

func init() {
	register(&family{
		name: "jpeg", place: 8, rounded: true,
		forms: []*form{{
			fields: []field{
				{key: "quality", kind: count, lo: 1, hi: 100},
				{key: "subsampling", kind: choice, choices: []string{"420", "444", "422", "440", "411"}},
			},
			complete: func(v values) error {
				_, quality := v["quality"]
				given, subsampled := v["subsampling"]
				switch {
				case subsampled && !quality:
					return fmt.Errorf("subsampling=%s goes with quality=Q; without it the file says both", given)
				case quality && !subsampled:
					v["subsampling"] = strconv.Itoa(420)
				}
				return nil
			},
			tables: func(sp Spec) bool { return sp.Get("quality") == "" },
		}},
		build: func(sp Spec, s Shape) (Linear, error) {
			f, err := sp.jpegFormat(s.C)
			if err != nil {
				return nil, err
			}
			return NewJPEG(s, f)
		},
	})
}
