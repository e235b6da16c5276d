package main

import (
	"path/filepath"
	"strings"
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
	if s := must(t, "info", out); !strings.Contains(s, "stored certificate") || !strings.Contains(s, "gain bound of psi") {
		t.Errorf("info says %q", s)
	}
	info := asJSON[struct{ Certificate *lpn.Certificate }](t, must(t, "info", "--json", out))
	if info.Certificate == nil || info.Certificate.Lipschitz != want.Lipschitz {
		t.Errorf("info --json holds %+v", info.Certificate)
	}
	if s := must(t, "info", pr); !strings.Contains(s, "none stored") {
		t.Errorf("info says %q", s)
	}
	if code, _, _ := call(t, "verify", "--size", "12", pr, "-o", out); code != exitUsage {
		t.Errorf("overwriting: exit %d", code)
	}
	if code, _, _ := call(t, "verify", "--force", "--size", "12", pr, "-o", pr); code != exitUsage {
		t.Errorf("its own output: exit %d", code)
	}
}

// TestBuiltinCertificates: every shipped prior carries a certificate that holds.
func TestBuiltinCertificates(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "assets", "priors", "*"+priorExt))
	if err != nil || len(files) == 0 {
		t.Fatal("no priors", err)
	}
	for _, f := range files {
		n, err := lpn.Open(f)
		if err != nil {
			t.Error(err)
			continue
		}
		if c, ok := n.Certificate(); !ok || !c.OK || c.GainBound == nil || *c.GainBound > 1 {
			t.Errorf("%s: certificate %v, %+v", f, ok, c)
		}
	}
}
