package imageio

import (
	"bytes"
	"compress/flate"
	"io"
	"math/rand/v2"
	"testing"
)

// A piece that repeats itself is searched, one that does not is not, and the standard library
// inflates both.
func TestDeflateSearch(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	noisy, drawn := make([]byte, blockBytes), make([]byte, blockBytes)
	for i := range noisy { // as a filter leaves a photograph
		noisy[i] = byte(int(5 * rng.NormFloat64()))
	}
	for i := range drawn { // as it leaves a drawing
		if i%97 < 5 {
			drawn[i] = byte(i % 97 * 31)
		}
	}
	half := append(bytes.Clone(noisy[:blockBytes/2]), drawn[:blockBytes/2]...)
	sizes := func(b []byte) (chosen, searched, plain int) {
		out := deflate(b, fast, true)
		back, err := io.ReadAll(flate.NewReader(bytes.NewReader(out)))
		if err != nil || !bytes.Equal(back, b) {
			t.Fatalf("%d bytes come back, %v", len(back), err)
		}
		return len(out), len(deflateAt(b, fast, true)), len(deflateAt(b, flate.HuffmanOnly, true))
	}
	if chosen, searched, plain := sizes(noisy); chosen != plain || plain > searched {
		t.Errorf("noise: %d bytes, %d searched, %d not", chosen, searched, plain)
	}
	if chosen, searched, plain := sizes(drawn); chosen != searched || 20*searched > plain {
		t.Errorf("a drawing: %d bytes, %d searched, %d not", chosen, searched, plain)
	}
	if chosen, searched, _ := sizes(half); chosen > searched*105/100 {
		t.Errorf("half of each: %d bytes, %d searched", chosen, searched)
	}
	for _, n := range []int{0, 1, 2*triedParts*triedBytes - 1, 2 * triedParts * triedBytes} {
		sizes(noisy[:n])
	}
}
