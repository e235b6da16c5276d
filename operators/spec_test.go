package operators

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestParseSpecCanonical(t *testing.T) {
	for in, want := range map[string]string{
		"denoise":                               "denoise",
		" denoise ":                             "denoise",
		"blur:gaussian,sigma=1.6":               "blur:gaussian,sigma=1.6,size=11",
		"blur:gaussian,sigma=1.6,size=25":       "blur:gaussian,sigma=1.6,size=25",
		"blur:gaussian,size=25,sigma=1.60":      "blur:gaussian,sigma=1.6,size=25",
		"blur:uniform,size=9":                   "blur:uniform,size=9",
		"blur:motion,length=15,angle=30":        "blur:motion,length=15,angle=30",
		"blur:motion, length = 15":              "blur:motion,length=15,angle=0",
		"blur:disk,radius=4":                    "blur:disk,radius=4",
		"blur:kernel=k/levin 1.npy":             "blur:kernel=k/levin 1.npy",
		`blur:kernel="a,b.png"`:                 `blur:kernel="a,b.png"`,
		"blur:kernel=a=b.png":                   "blur:kernel=a=b.png",
		"cs:ratio=0.25":                         "cs:ratio=0.25,seed=0,kind=circulant",
		"cs:ratio=1/16,kind=hadamard":           "cs:ratio=0.0625,seed=0,kind=hadamard",
		"inpaint:mask=m.png":                    "inpaint:mask=m.png",
		"inpaint:ratio=0.5":                     "inpaint:ratio=0.5,seed=0",
		"sr:factor=2":                           "sr:factor=2,kernel=area,align=centre",
		"sr:factor=3/2x2,kernel=lanczos3":       "sr:factor=1.5x2,kernel=lanczos3,align=centre",
		"sr:to=640x480,kernel=bicubic":          "sr:to=640x480,kernel=bicubic,align=centre",
		"sr:factor=2,kernel=gaussian,sigma=1.0": "sr:factor=2,kernel=gaussian,sigma=1,align=centre",
		"sr:factor=4,kernel=uniform,size=4":     "sr:factor=4,kernel=uniform,size=4,align=centre",
		"sr:kernel=k.npy,factor=2":              "sr:factor=2,kernel=k.npy,align=centre",
		"sr:align=corner,factor=2":              "sr:factor=2,kernel=gaussian,sigma=1,size=7,align=corner",
		"sr:factor=3,align=corner":              "sr:factor=3,kernel=gaussian,sigma=1.5,size=11,align=corner",
		"sr:kernel=k.npy,factor=2,align=corner": "sr:factor=2,kernel=k.npy,align=corner",
		"tomo:angles=200":                       "tomo:angles=200,span=180",
		"tomo:angles=200,detectors=400,span=90": "tomo:angles=200,detectors=400,span=90",
		"mri:accel=4":                           "mri:accel=4,seed=0,center=0.08",
	} {
		s, err := ParseSpec(in)
		if err != nil {
			t.Errorf("%q: %v", in, err)
			continue
		}
		if s.String() != want {
			t.Errorf("%q reads as %q, want %q", in, s, want)
		}
		if again, err := ParseSpec(s.String()); err != nil || again != s {
			t.Errorf("%q does not come back: %q, %v", in, again, err)
		}
	}
}

// What is wrong, with which value, and what would be right.
func TestParseSpecErrors(t *testing.T) {
	for in, want := range map[string][]string{
		"":                                         {`unknown operator ""`, "denoise, blur, cs"},
		"blurr:gaussian,sigma=1":                   {`"blurr"`, `did you mean "blur"`},
		"denoise:sigma=1":                          {`denoise takes no "sigma"`},
		"blur":                                     {"gaussian, uniform, motion, disk", "kernel=FILE"},
		"blur:":                                    {"which blur?"},
		"blur:sigma=2":                             {"which blur?"},
		"blur:gausian,sigma=1":                     {`"gausian"`, `did you mean "gaussian"`},
		"blur:gaussian":                            {"sigma is missing", "(0,170]"},
		"blur:gaussian,sigm=1":                     {`"sigm"`, `did you mean "sigma"`},
		"blur:gaussian,sigma=abc":                  {`sigma="abc"`, "a number in (0,170]"},
		"blur:gaussian,sigma=0":                    {`sigma="0"`},
		"blur:gaussian,sigma=NaN":                  {`sigma="NaN"`},
		"blur:gaussian,sigma=1/0":                  {`sigma="1/0"`},
		"blur:gaussian,sigma=1,size=4":             {"size=4 is even"},
		"blur:gaussian,sigma=1,size=5.0":           {`size="5.0"`, "whole number from 1 to 1023"},
		"blur:gaussian,sigma=1,sigma=2":            {"sigma is given twice"},
		"blur:gaussian,sigma=1,":                   {"key=value"},
		"blur:gaussian,,sigma=1":                   {"key=value"},
		"blur:gaussian,5":                          {`"5"; want key=value`},
		"blur:uniform,size=1024":                   {"1 to 1023"},
		"blur:kernel=":                             {"a file name"},
		`blur:kernel="x`:                           {"does not end"},
		`blur:kernel="x"y`:                         {"want a comma"},
		"blur:gaussian,kernel=f.npy":               {`unknown key "kernel"`},
		"cs:hadamard":                              {`"hadamard"`, "kind=circulant|hadamard"},
		"cs:ratio=2":                               {`ratio="2"`, "(0,1]"},
		"cs:ratio=.5,kind=hadamrd":                 {`did you mean "hadamard"`},
		"cs:ratio=.5,seed=-1":                      {`seed="-1"`, "at least 0"},
		"inpaint":                                  {"either mask=FILE or ratio=R"},
		"inpaint:ratio=.5,mask=a":                  {"either"},
		"inpaint:mask=a,seed=2":                    {"seed goes with ratio"},
		"sr:factor=17":                             {"1 to 16"},
		"sr:factor=0.5":                            {"1 to 16"},
		"sr:factor=2x":                             {`factor="2x"`, "1.5x2"},
		"sr:to=640":                                {`to="640"`, "1920x1080"},
		"sr:factor=2,to=640x480":                   {"either factor=F", "to=WxH"},
		"sr:factor=1.5,kernel=disk,radius=2":       {"factor=1.5", "whole number"},
		"sr:factor=1.5,align=corner":               {`factor="1.5"`, "whole number"},
		"sr:factor=2,align=center":                 {`align="center"`, "centre"},
		"sr:2":                                     {"sr:factor=2"},
		"sr:factor=2,radius=3":                     {`unknown key "radius"`},
		"sr:factor=2,kernel=disk":                  {"radius is missing"},
		"tomo:angles=0":                            {"whole number"},
		"mri:accel=0.5":                            {"[1,64]"},
		"blur:kernel=" + strings.Repeat("x", 5000): {"4096"},
	} {
		_, err := ParseSpec(in)
		if err == nil {
			t.Errorf("%q is taken", clip(in))
			continue
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q: %q does not say %q", clip(in), err, w)
			}
		}
		if strings.ContainsAny(err.Error(), "\n\r") || len(err.Error()) > 300 {
			t.Errorf("%q: not one short line: %q", clip(in), err)
		}
	}
}

func TestSpecJSON(t *testing.T) {
	s, err := ParseSpec(`blur:kernel="a,\"b\".npy"`)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(map[string]Spec{"operator": s})
	if err != nil {
		t.Fatal(err)
	}
	var back map[string]Spec
	if err := json.Unmarshal(b, &back); err != nil || back["operator"] != s {
		t.Errorf("%s comes back as %q, %v", b, back["operator"], err)
	}
	if err := json.Unmarshal([]byte(`{"operator":"blur:x"}`), &back); err == nil {
		t.Error("a wrong spec is taken from JSON")
	}
	var zero Spec
	if d, _ := ParseSpec("denoise"); zero.String() != "denoise" || d.String() != zero.String() || zero.Name() != "denoise" {
		t.Error("the zero Spec is not denoise")
	}
}

func TestSpecBuild(t *testing.T) {
	open := func(path string) (Image, error) {
		switch path {
		case "k.npy":
			return Image{Shape{1, 2, 3}, []float32{1, 2, 3, 4, 5, 6}}, nil
		case "m.png":
			return Image{Shape{1, 2, 2}, []float32{0, 1, 1, 0}}, nil
		case "black.png":
			return NewImage(Shape{1, 2, 2}), nil
		}
		return Image{}, errors.New(path + " is not there")
	}
	for _, c := range []struct {
		spec     string
		boundary Boundary
		scene    Shape
		want     Shape
		err      string
	}{
		{"denoise", Symmetric, Shape{3, 4, 5}, Shape{3, 4, 5}, ""},
		{"blur:kernel=k.npy", Symmetric, Shape{3, 4, 5}, Shape{3, 4, 5}, ""},
		{"blur:kernel=k.npy", Valid, Shape{3, 4, 5}, Shape{3, 3, 3}, ""},
		{"sr:factor=2,kernel=k.npy,align=corner", Valid, Shape{1, 9, 10}, Shape{1, 4, 4}, ""},
		{"sr:factor=2,kernel=k.npy,align=corner", Zero, Shape{1, 9, 10}, Shape{1, 5, 5}, ""},
		{"sr:factor=3,kernel=k.npy", Valid, Shape{1, 14, 16}, Shape{1, 4, 4}, ""},
		{"sr:factor=1.5x2", Symmetric, Shape{1, 9, 10}, Shape{1, 5, 7}, ""},
		{"inpaint:mask=m.png", Symmetric, Shape{3, 2, 2}, Shape{3, 2, 2}, ""},
		{"inpaint:mask=m.png", Symmetric, Shape{3, 2, 3}, Shape{}, "mask of 2x2 for a picture of 2x3"},
		{"inpaint:mask=black.png", Symmetric, Shape{1, 2, 2}, Shape{}, "keeps no pixel"},
		{"blur:kernel=none", Symmetric, Shape{1, 2, 2}, Shape{}, "none is not there"},
		{"blur:uniform,size=9", Valid, Shape{1, 8, 8}, Shape{}, "larger than the scene"},
		{"denoise", Symmetric, Shape{}, Shape{}, "at least 1"},
		{"denoise", Symmetric, Shape{1 << 20, 1 << 20, 1 << 20}, Shape{}, "at most"},
		{"tomo:angles=16384,detectors=32768", Symmetric, Shape{1, 8, 8}, Shape{}, "1x16384x32768"},
	} {
		s, err := ParseSpec(c.spec)
		if err != nil {
			t.Fatal(err)
		}
		s, err = s.WithBoundary(c.boundary).Load(open)
		var a Linear
		if err == nil {
			a, err = s.Build(c.scene)
		}
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s on %v: %v, want %q", c.spec, c.scene, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.spec, err)
			continue
		}
		if a.Domain() != c.scene || a.Codomain() != c.want {
			t.Errorf("%s %s: %v -> %v, want %v -> %v", c.spec, c.boundary, a.Domain(), a.Codomain(), c.scene, c.want)
		}
		// The scene that the measurement tells of gives such a measurement.
		scene, err := s.Scene(c.want)
		if err != nil {
			t.Errorf("%s: %v", c.spec, err)
			continue
		}
		if a, err = s.Build(scene); err != nil || a.Codomain() != c.want {
			t.Errorf("%s %s: scene %v of measurement %v measures %v, %v", c.spec, c.boundary, scene, c.want, a.Codomain(), err)
		}
	}
	s, _ := ParseSpec("cs:ratio=0.5")
	if _, err := s.Scene(Shape{1, 8, 8}); err == nil || !strings.Contains(err.Error(), ".npz") {
		t.Error("a picture is taken for a compressed measurement:", err)
	}
	s, _ = ParseSpec("blur:kernel=k.npy")
	if _, err := s.Build(Shape{1, 8, 8}); err == nil {
		t.Error("a kernel file that is not loaded builds")
	}
}

func FuzzParseSpec(f *testing.F) {
	for _, s := range []string{"denoise", "blur:gaussian,sigma=1.6,size=25", `blur:kernel="a,b"`, "cs:ratio=1/4,kind=fourier",
		"sr:factor=2,kernel=motion,length=3", "sr:factor=1.5x7/3", "sr:to=9x9,align=centre", "inpaint:ratio=0.5", "tomo:angles=9,span=90", "mri:accel=4", "a:b,c=d", `blur:kernel="\xff"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSpec(text)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("%q: error of several lines: %q", text, err)
			}
			return
		}
		again, err := ParseSpec(s.String())
		if err != nil || again != s {
			t.Errorf("%q reads as %q, which reads as %q, %v", text, s, again, err)
		}
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back Spec
		if err := json.Unmarshal(b, &back); err != nil || back != s {
			t.Errorf("%s comes back as %q, %v", b, back, err)
		}
		if s.ImageShaped() && !s.TakesBoundary() && s.Get("mask") == "" && s.Get("to") == "" {
			if _, err := s.Build(Shape{1, 3, 4}); err != nil {
				t.Errorf("%q: %v", s, err)
			}
		}
	})
}
