package serve_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"

	"github.com/lpn-imaging/lpn/lpn/serve"
)

// A program sends a noisy picture and reads what came of it.
func Example() {
	server := httptest.NewServer(serve.New(serve.Config{}))
	defer server.Close()

	noisy := image.NewGray(image.Rect(0, 0, 64, 64))
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range noisy.Pix {
		noisy.SetGray(i%64, i/64, color.Gray{uint8(128 + 20*rng.NormFloat64())})
	}
	var file bytes.Buffer
	png.Encode(&file, noisy)

	r, _ := http.NewRequest("POST", server.URL+"/api/v1/restore", &file)
	r.Header.Set("Content-Type", "image/png")
	r.Header.Set("Accept", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	var result serve.Restored
	json.NewDecoder(answer.Body).Decode(&result)
	fmt.Printf("noise %.0f/255, certified %v, %dx%d pixels\n", 255*result.Noise, result.Certified, result.Picture.Width, result.Picture.Height)
	// Output: noise 20/255, certified true, 64x64 pixels
}
