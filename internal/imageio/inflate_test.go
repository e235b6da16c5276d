package imageio

import (
	"bytes"
	"compress/zlib"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
)

// inflateSources are bytes of several kinds.
func inflateSources(rng *rand.Rand) map[string][]byte {
	sources := map[string][]byte{"nothing": nil, "a byte": {7}}
	for _, k := range []struct {
		name string
		n    int
		of   func(i int) int
	}{
		{"zeros", 400000, func(int) int { return 0 }},
		{"noise", 300000, func(int) int { return rng.IntN(256) }},
		{"a photograph", 700000, func(int) int { return int(6 * rng.NormFloat64()) }},
		{"rare values", 300000, func(int) int { return int(rng.ExpFloat64() * rng.ExpFloat64() * rng.ExpFloat64()) }},
		{"periods", 500000, func(i int) int { return i % 251 * (i / 70000) }},
		{"few values", 200000, func(int) int { return rng.IntN(3) }},
	} {
		b := make([]byte, k.n)
		for i := range b {
			b[i] = byte(k.of(i))
		}
		sources[k.name] = b
	}
	long := sources["noise"][:40000] // matches as far back as may be
	sources["far repeats"] = slices.Concat(long[:32768], long[:300], long, long)
	return sources
}

// deflatedBy the standard library.
func deflatedBy(t testing.TB, b []byte, level int) []byte {
	var packed bytes.Buffer
	z, err := zlib.NewWriterLevel(&packed, level)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(b[:len(b)/3]); err != nil {
		t.Fatal(err)
	}
	if level == 6 { // an empty stored block in the middle
		if err := z.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := z.Write(b[len(b)/3:]); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// inflatedBy is what comes of a stream that is cut in chunks.
func inflatedBy(packed []byte, chunk int) ([]byte, error) {
	z, err := newInflater(slices.Collect(slices.Chunk(packed, chunk)))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// What the standard library and our own writer deflate comes back, in chunks of any length.
func TestInflate(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 11))
	for name, b := range inflateSources(rng) {
		streams := [][]byte{zlibStream(b, fast), zlibStream(b, 9)}
		for level := zlib.HuffmanOnly; level <= 9; level++ {
			streams = append(streams, deflatedBy(t, b, level))
		}
		for k, packed := range streams {
			for _, chunk := range []int{1 << 30, 1 + rng.IntN(9), 1000 + rng.IntN(50000)} {
				got, err := inflatedBy(packed, chunk)
				if err != nil || !bytes.Equal(got, b) {
					t.Errorf("%s, stream %d in chunks of %d: %d bytes of %d, %v", name, k, chunk, len(got), len(b), err)
				}
			}
			for _, n := range []int{0, 1, 2, 3, len(packed) / 2, len(packed) - 1} {
				if _, err := inflatedBy(packed[:n], 1<<30); err == nil {
					t.Errorf("%s, stream %d: %d bytes of %d are enough", name, k, n, len(packed))
				}
			}
			if _, err := inflatedBy(append(bytes.Clone(packed), 0), 1<<30); err == nil {
				t.Errorf("%s, stream %d: a byte too many", name, k)
			}
		}
	}
}

// FuzzInflate: what is taken is what the standard library makes of it, whatever the bytes.
func FuzzInflate(f *testing.F) {
	rng := rand.New(rand.NewPCG(5, 12))
	for _, b := range inflateSources(rng) {
		b = b[:min(len(b), 3000)]
		for _, level := range []int{-2, 0, 1, 9} {
			f.Add(deflatedBy(f, b, level))
		}
	}
	f.Fuzz(func(t *testing.T, packed []byte) {
		const most = 1 << 22
		z, err := newInflater([][]byte{bytes.Clone(packed)})
		if err != nil {
			return
		}
		got, err := io.ReadAll(io.LimitReader(z, most))
		if err != nil || len(got) == most {
			return
		}
		r, err := zlib.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		if want, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, want %d, %v", len(got), len(want), err)
		}
	})
}

// Damaged streams of every kind are refused, or are what the standard library takes: a
// checksum may happen to be right.
func TestInflateDamaged(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 13))
	for name, b := range inflateSources(rng) {
		b = b[:min(len(b), 5000)]
		for _, level := range []int{-2, 0, 1, 9} {
			packed := deflatedBy(t, b, level)
			for range 200 {
				bad := bytes.Clone(packed)
				for range 1 + rng.IntN(3) {
					bad[rng.IntN(len(bad))] ^= 1 << rng.IntN(8)
				}
				got, err := inflatedBy(bad, 700)
				if err != nil {
					continue
				}
				r, err := zlib.NewReader(bytes.NewReader(bad))
				if err != nil {
					t.Fatal(err)
				}
				if want, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
					t.Fatalf("%s, level %d: other bytes than the standard library's, %v", name, level, err)
				}
			}
		}
	}
}
