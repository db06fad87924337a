package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// form is one way to write the annotations.
type form struct {
	name   string
	page   string // a URL of the application
	url    string // auth-url
	signin string // auth-signin
	proxy  string // Service of an Ingress for /oauth2; none without
	at     string // the host of that Ingress; empty: that of the application
}

func (f *form) host() string {
	u, _ := url.Parse(f.page)
	return u.Host
}

const (
	ofHost = "https://$host/oauth2/auth"
	inside = "http://oauth2-proxy.sso.svc.cluster.local:4180/oauth2/auth"
	signin = "https://$host/oauth2/start?rd=$escaped_request_uri"
	told   = "X-Auth-Request-User, X-Auth-Request-Email, Authorization"
)

// forms are those that people use, and then those with which nobody gets in.
var forms = []form{
	{"the-public-name", "https://app.example.com/", ofHost, signin,
		"oauth2-proxy", ""},
	{"in-the-cluster", "https://inside.example.com/", inside, signin,
		"oauth2-proxy", ""},
	{"by-http", "http://open.example.com/", "http://$host/oauth2/auth",
		"http://$host/oauth2/start?rd=$escaped_request_uri", "open", ""},
	{"one-for-all", "https://central.example.com/",
		"https://auth.example.com/oauth2/auth",
		"https://auth.example.com/oauth2/start?" +
			"rd=https://$host$escaped_request_uri", "wide",
		"auth.example.com"},

	{"without", "https://plain.example.com/", "", "", "", ""},
	{"brief", "https://brief.example.com/", ofHost, signin, "brief", ""},
	{"signin-behind-itself", "https://loop.example.com/", inside, signin, "",
		""},
	{"auth-behind-itself", "https://around.example.com/", ofHost, signin, "",
		""},
	{"auth-behind-itself-grows", "https://grow.example.com/",
		"https://$host/oauth2/auth?of=$escaped_request_uri", signin, "", ""},
}

const usable = 4

const app = "https://app.example.com"

type test struct {
	name string
	run  func(w *world)
}

var tests = []test{
	{"login", login},
	{"headers of a client are not those of the auth server", spoofed},
	{"a session of two cookies", two},
	{"a session of three cookies", three},
	{"a session is refreshed, and the cookies come with the answer", refreshed},
	{"logout", logout},
	{"a session ends", expired},
	{"WebSocket", socket},
	{"upload", upload},
	{"methods other than GET", methods},
	{"a user who may not", forbidden},
	{"a browser without cookies", cookieless},
	{"a sign-in that needs a sign-in", signinLoop},
	{"an auth server that needs an auth server", authLoop},
	{"all routes by the ConfigMap", global},
	{"oauth2-proxy dies and comes back", dies},
}

// in opens a page until the user is at it.
func (b *browser) in(to string, h ...string) *page {
	p := b.open(to, h...)
	b.w.check(p.status == 200 && p.got.Method == "GET",
		"%s: status %d by %q: %s", to, p.status, p.trail, short(p.body))
	return p
}

// of checks that the application takes this user for the one who came.
func (p *page) of(w *world, user string) {
	token, _ := w.idp.last()
	for _, h := range [][2]string{{"X-Auth-Request-User", user},
		{"X-Auth-Request-Email", user + "@example.com"},
		{"Authorization", "Bearer " + token}} {
		l := p.got.Header.Values(h[0])
		w.check(len(l) == 1 && l[0] == h[1], "%s is %q, not %q", h[0], l, h[1])
	}
}

// nobody checks that a browser would be sent to sign in, and that nothing gets
// to the application.
func (w *world) nobody(b *browser, to string, h ...string) {
	n := w.seen.Load()
	p := b.ask(to, h...)
	w.check(p.status == 302, "%s: status %d: %s", to, p.status, short(p.body))
	at := p.header.Get("Location")
	w.check(strings.Contains(at, "/oauth2/start?rd="), "to %s", at)
	w.check(w.seen.Load() == n, "it got to the application")
}

func login(w *world) {
	const uri = "a/%C3%A9%2Fb?x=1&y=%20%26&rd=/other&z=a+b&e=%C3%A9"
	for _, f := range forms[:usable] {
		for _, h2 := range []bool{false, true} {
			b := w.browser(h2)
			w.nobody(b, f.page+uri)
			p := b.in(f.page + uri)
			w.check(len(p.trail) == 5, "%s: by %q", f.name, p.trail)
			for i, part := range []string{f.page, "/oauth2/start?rd=",
				w.idp.issuer + "/authorize?", "/oauth2/callback?", f.page} {
				w.check(strings.Contains(p.trail[i], part), "%s: by %q",
					f.name, p.trail)
			}
			w.check(p.url == f.page+uri, "%s: at %s", f.name, p.url)
			w.check(p.got.URI == "/"+uri, "%s: asked for %s", f.name,
				p.got.URI)
			p.of(w, "alice")
			p = b.in(f.page + "again")
			w.check(len(p.trail) == 1, "%s: again by %q", f.name, p.trail)
			p.of(w, "alice")
		}
	}
}

func spoofed(w *world) {
	lies := []string{"X-Auth-Request-User", "root",
		"X-Auth-Request-Email", "root@example.com",
		"Authorization", "Basic cm9vdDpyb290",
		"X-Auth-Request-Redirect", "https://evil.example.net/",
		"X-Original-URL", app + "/oauth2/auth",
		"X-Sent-From", "nginx-ingress-controller",
		"X-Forwarded-Host", "evil.example.net"}
	for _, f := range forms[:usable] {
		b := w.browser(true)
		w.nobody(b, f.page, lies...)
		b.in(f.page)
		p := b.in(f.page, lies...)
		w.check(len(p.trail) == 1, "%s: by %q", f.name, p.trail)
		p.of(w, "alice")
		p = b.in(f.page, "x-auth-request-user", "root",
			"X_Auth_Request_User", "root")
		p.of(w, "alice")
		for _, v := range p.got.Header {
			w.check(v[0] != "root", "%v", p.got.Header)
		}
	}
}

func two(w *world) { large(w, 2, 2600) }

// three is too much for a line of 8 KB, until the ConfigMap says otherwise.
func three(w *world) {
	w.idp.set(func(p *provider) { p.pad = 4500 })
	defer w.idp.set(func(p *provider) { p.pad = 0 })
	try := func() *page {
		p, err := w.browser(false).do("GET", app, redirects, nil, nil)
		w.must(err)
		return p
	}
	p := try()
	w.check(p.status == 400 && len(p.trail) == 5, "status %d by %q", p.status,
		p.trail)
	w.configMap("large-client-header-buffers", "4 16k")
	w.within("longer lines, in each worker", func() (bool, any) {
		for range 12 {
			if p = try(); p.status != 200 {
				return false, p.status
			}
		}
		return true, nil
	})
	large(w, 3, 4500)
}

// large has a session that needs several cookies.
func large(w *world, n, pad int) {
	w.idp.set(func(p *provider) { p.pad = pad })
	defer w.idp.set(func(p *provider) { p.pad = 0 })
	for _, f := range forms[:usable] {
		for _, h2 := range []bool{false, true} {
			b := w.browser(h2)
			b.in(f.page).of(w, "alice")
			l := b.cookies(f.page, "_oauth2_proxy_")
			got := 0
			for _, c := range l {
				if !strings.Contains(c.Name, "csrf") {
					got++
				}
			}
			w.check(got == n, "%s: %d cookies: %v", f.name, got, l)
			p := b.in(f.page)
			w.check(len(p.trail) == 1, "%s: by %q", f.name, p.trail)
			p.of(w, "alice")
		}
	}
}

func refreshed(w *world) {
	w.idp.set(func(p *provider) { p.pad = 2600 })
	defer w.idp.set(func(p *provider) { p.pad = 0 })
	b := w.browser(true)
	b.in(app)
	old, n := w.idp.last()
	was := b.cookies(app, "_oauth2_proxy_")
	var p *page
	w.within("another token", func() (bool, any) {
		p = b.in(app)
		w.check(len(p.trail) == 1, "by %q", p.trail)
		token, m := w.idp.last()
		return token != old && m > n, m
	})
	p.of(w, "alice")
	set := p.header.Values("Set-Cookie")
	w.check(len(set) == 2 && strings.HasPrefix(set[0], "_oauth2_proxy_0=") &&
		strings.HasPrefix(set[1], "_oauth2_proxy_1="), "Set-Cookie: %q", set)
	is := b.cookies(app, "_oauth2_proxy_")
	w.check(len(is) == 2 && is[0].Value != was[0].Value &&
		is[1].Value != was[1].Value, "the cookies are the same: %v", is)
	p = b.in(app)
	w.check(len(p.trail) == 1, "by %q", p.trail)
}

func logout(w *world) {
	b := w.browser(true)
	b.in(app)
	p := b.ask(app + "/oauth2/sign_out?rd=%2Fbye")
	w.check(p.status == 302 && p.header.Get("Location") == "/bye",
		"status %d to %q", p.status, p.header.Get("Location"))
	w.check(len(b.cookies(app, "_oauth2_proxy")) == 0, "cookies are left")
	w.nobody(b, app)
	b.in(app).of(w, "alice")
}

func expired(w *world) {
	const brief = "https://brief.example.com/"
	b := w.browser(true)
	b.in(brief)
	l := b.cookies(brief, "_oauth2_proxy")
	w.check(len(l) > 0, "no cookies")
	cookie := l[0].Name + "=" + l[0].Value
	b = w.browser(true) // one that keeps it for longer
	w.within("the end of the session", func() (bool, any) {
		p := b.ask(brief, "Cookie", cookie)
		return p.status == 302, p.status
	})
	w.nobody(b, brief, "Cookie", cookie)
	b.in(brief).of(w, "alice")
}

func socket(w *world) {
	for _, f := range forms[:2] {
		b := w.browser(false)
		n := w.seen.Load()
		status, _ := b.socket(f.host(), "hello")
		w.check(status == 302, "%s: status %d without a session", f.name,
			status)
		w.check(w.seen.Load() == n, "it got to the application")
		b.in(f.page)
		status, text := b.socket(f.host(), "hello",
			"X-Auth-Request-User: root")
		w.check(status == 101 && text == "1 alice: hello", "%s: %d %q", f.name,
			status, text)
	}
}

func upload(w *world) {
	body := []byte(strings.Repeat("0123456789abcdef", 1<<18)) // 4 MB
	sum := sha256.Sum256(body)
	for _, f := range forms[:2] {
		b := w.browser(false)
		n := w.seen.Load()
		a, _, _ := b.upload(f.host(), "/file", body)
		w.check(a.StatusCode == 302 && w.seen.Load() == n,
			"%s: status %d without a session", f.name, a.StatusCode)
		b.in(f.page)
		a, text, asked := b.upload(f.host(), "/file?name=x", body)
		w.check(asked, "%s: was not asked for the body", f.name)
		w.check(a.StatusCode == 200, "%s: status %d: %s", f.name, a.StatusCode,
			short(text))
		w.check(strings.Contains(text, hex.EncodeToString(sum[:])),
			"%s: %s", f.name, short(text))

		p, err := w.http2(b, f.page+"file", body)
		w.must(err)
		w.check(p.got.Sum == hex.EncodeToString(sum[:]) &&
			p.got.Length == len(body), "%s: HTTP/2: %d %s", f.name, p.status,
			short(p.body))
	}
}

// http2 sends a body by HTTP/2, with the cookies of a browser.
func (w *world) http2(b *browser, to string, body []byte) (*page, error) {
	c := w.browser(true)
	c.client.Jar = b.jar
	return c.do("PUT", to, 0, nil, bytes.NewReader(body))
}

func methods(w *world) {
	for _, h2 := range []bool{false, true} {
		for _, m := range []string{"HEAD", "POST", "PUT", "DELETE", "OPTIONS",
			"PATCH"} {
			b := w.browser(h2)
			n := w.seen.Load()
			p, err := b.do(m, app+"/x", 0, nil, strings.NewReader("body"))
			w.must(err)
			w.check(p.status == 302 && w.seen.Load() == n,
				"%s: %d without a session", m, p.status)
			b.in(app)
			p, err = b.do(m, app+"/x", 0, nil, strings.NewReader("body"))
			w.must(err)
			w.check(p.status == 200 && (m == "HEAD" || p.got.Method == m &&
				p.got.Length == 4), "%s: %d %s", m, p.status, short(p.body))
		}
	}
}

func forbidden(w *world) {
	w.idp.set(func(p *provider) { p.user = "mallory@evil" })
	defer w.idp.set(func(p *provider) { p.user = "alice" })
	n := w.seen.Load()
	p, err := w.browser(true).do("GET", app, redirects, nil, nil)
	w.must(err)
	w.check(p.status == 403, "status %d by %q", p.status, p.trail)
	w.check(w.seen.Load() == n, "it got to the application")
}

func cookieless(w *world) {
	b := w.browser(true)
	b.client.Jar = nil
	n := w.seen.Load()
	p, err := b.do("GET", app, redirects, nil, nil)
	w.must(err)
	w.check(p.status == 403, "status %d by %q", p.status, p.trail)
	w.check(w.seen.Load() == n, "it got to the application")
}

func signinLoop(w *world) {
	n := w.seen.Load()
	p, err := w.browser(true).do("GET", "https://loop.example.com/x?y=1",
		redirects, nil, nil)
	w.check(!errors.Is(err, errRedirects), "by %q", p.trail)
	w.must(err)
	w.check(p.status == http.StatusUnauthorized && len(p.trail) == 2,
		"status %d by %q", p.status, p.trail)
	w.check(w.seen.Load() == n, "it got to the application")
	w.check(w.ng.Logged("leads to itself") == 1, "nobody says why")
}

func authLoop(w *world) {
	for _, host := range []string{"around", "grow"} {
		before := w.requests("/oauth2/auth")
		n := w.seen.Load()
		p := w.browser(true).ask("https://" + host + ".example.com/x")
		w.check(p.status == 500, "%s: status %d", host, p.status)
		w.check(w.seen.Load() == n, "it got to the application")
		w.within("three requests of it", func() (bool, any) {
			asked := w.requests("/oauth2/auth") - before
			w.check(asked <= 3, "%s: it asked itself %d times", host, asked)
			return asked == 3, asked
		})
	}
}

func global(w *world) {
	const plain = "https://plain.example.com/"
	b := w.browser(true)
	w.within("nobody is asked", func() (bool, any) {
		p := b.ask(plain)
		return p.status == 200, p.status
	})
	w.configMap("global-auth-url", forms[3].url,
		"global-auth-signin", forms[3].signin,
		"global-auth-response-headers", told)
	defer w.configMap()
	w.within("a sign-in", func() (bool, any) {
		p := b.ask(plain)
		return p.status == 302, p.status
	})
	w.nobody(b, plain, "X-Auth-Request-User", "root")
	p := b.in(plain+"x?y=%20", "X-Auth-Request-User", "root")
	w.check(p.url == plain+"x?y=%20" && len(p.trail) == 5, "by %q", p.trail)
	p.of(w, "alice")
	p = b.in(forms[3].page)
	w.check(len(p.trail) == 1, "not everywhere: by %q", p.trail)
	b = w.browser(true)
	b.in(app).of(w, "alice")
}

func dies(w *world) {
	b := w.browser(true)
	b.in(app)
	w.kill("proxy")
	n := w.seen.Load()
	for _, f := range forms[:2] {
		p := b.ask(f.page)
		w.check(p.status == 500, "%s: status %d", f.name, p.status)
	}
	w.check(w.seen.Load() == n, "it got to the application")
	w.proxy("proxy", proxyAddr, "--cookie-refresh=1s")
	p := b.in(app)
	w.check(len(p.trail) == 1, "by %q", p.trail)
	p.of(w, "alice")
}
