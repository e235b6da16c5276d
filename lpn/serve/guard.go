package serve

import (
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
)

// A guard lets through only what may come: from this machine, or with the token.
//
//   - Host must be an address or a name of this machine. A page elsewhere whose name
//     was made to resolve to this machine (DNS rebinding) sends its own name.
//   - A request that a browser makes for another origin is refused: posts by
//     http.CrossOriginProtection, everything but the opening of the page by
//     Sec-Fetch-Site.
//   - Where a token is set it must come with every request but /healthz: as
//     "Authorization: Bearer TOKEN", in a cookie, or in the URL of the page, which
//     sets the cookie.
type guard struct {
	token string
	hosts []string // further names that Host may have
	cross *http.CrossOriginProtection
}

const cookieName = "lpn-token"

func newGuard(token string, hosts []string) *guard {
	return &guard{token: token, hosts: hosts, cross: http.NewCrossOriginProtection()}
}

// wrap puts the guard before a handler.
func (g *guard) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Content-Security-Policy", "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		switch {
		case !g.knows(r.Host):
			fail(w, http.StatusMisdirectedRequest, "the host %q is not this machine", r.Host)
		case g.cross.Check(r) != nil, !opens(r):
			fail(w, http.StatusForbidden, "requests of other sites are refused")
		case r.URL.Path == "/healthz":
			next.ServeHTTP(w, r)
		case g.token == "":
			next.ServeHTTP(w, r)
		case r.URL.Path == "/" && g.is(r.URL.Query().Get("token")):
			// Out of the address bar, the history and what is copied from them.
			http.SetCookie(w, &http.Cookie{Name: cookieName, Value: g.token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
			http.Redirect(w, r, "/", http.StatusSeeOther)
		case g.admits(r):
			next.ServeHTTP(w, r)
		default:
			w.Header().Set("WWW-Authenticate", "Bearer")
			fail(w, http.StatusUnauthorized, "the token is missing or wrong: open the address that was printed")
		}
	})
}

func (g *guard) is(token string) bool {
	return subtle.ConstantTimeCompare([]byte(token), []byte(g.token)) == 1
}

func (g *guard) admits(r *http.Request) bool {
	if t, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return g.is(t)
	}
	c, err := r.Cookie(cookieName)
	return err == nil && g.is(c.Value)
}

// opens refuses what a browser asks for on behalf of another site, unless it opens the
// page itself.
func opens(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "cross-site", "same-site":
		return r.URL.Path == "/" && r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate"
	}
	return true
}

// knows says whether a Host header names this machine: localhost, a loopback address or
// one of the names given; with a token also any address and the machine's own name.
func (g *guard) knows(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
	for _, known := range append([]string{"localhost"}, g.hosts...) {
		if name == strings.ToLower(known) {
			return true
		}
	}
	if a, err := netip.ParseAddr(name); err == nil {
		return a.IsLoopback() || g.token != ""
	}
	own, err := os.Hostname()
	return g.token != "" && err == nil && name == strings.ToLower(own)
}

// Address is the URL of a listener, with the token that requests need.
func (s *Server) Address(l net.Addr) string {
	u := url.URL{Scheme: "http", Host: l.String(), Path: "/"}
	if a, err := netip.ParseAddrPort(l.String()); err == nil && a.Addr().IsUnspecified() {
		host := "127.0.0.1"
		if own, err := os.Hostname(); err == nil {
			host = own
		}
		u.Host = net.JoinHostPort(host, strings.TrimPrefix(l.String()[strings.LastIndex(l.String(), ":"):], ":"))
	}
	if s.guard.token != "" {
		u.RawQuery = "token=" + s.guard.token
	}
	return u.String()
}
