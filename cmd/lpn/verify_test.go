package main

import (
	"path/filepath"
	"testing"

	"github.com/lpn-imaging/lpn/lpn"
)

// TestVerifyStores: the file written holds the certificate that was printed.
func TestVerifyStores(t *testing.T) {
	pr, out := prior(t), filepath.Join(t.TempDir(), "certified"+priorExt)
	want := asJSON[lpn.Certificate](t, must(t, "verify", "--json", "--size", "12", pr, "-o", out))
	n, err := lpn.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	got, ok := n.Certificate()
	if !ok || !got.OK || got.Probes != want.Probes || got.Lipschitz != want.Lipschitz {
		t.Errorf("stored %+v, printed %+v", got, want)
	}
	if code, _, _ := call(t, "verify", "--size", "12", pr, "-o", out); code != exitUsage {
		t.Errorf("overwriting: exit %d", code)
	}
	if code, _, _ := call(t, "verify", "--force", "--size", "12", pr, "-o", pr); code != exitUsage {
		t.Errorf("its own output: exit %d", code)
	}
}
