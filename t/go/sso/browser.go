package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"ngx_k8s_test/internal/ws"
)

// patience is how long one thing may take.
const patience = 10 * time.Second

// redirects is how many a browser follows.
const redirects = 20

var errRedirects = errors.New("too many redirects")

// browser is a user's: cookies, redirects, TLS, names by DNS.
type browser struct {
	w      *world
	client *http.Client
	jar    *cookiejar.Jar
}

// page is what the browser shows in the end.
type page struct {
	url    string
	trail  []string // URLs on the way there, this one too
	status int
	header http.Header
	body   string
	got    got // what the application has told of it
}

func (w *world) browser(h2 bool) *browser {
	jar, _ := cookiejar.New(nil)
	t := &http.Transport{TLSClientConfig: w.tls(), ForceAttemptHTTP2: h2,
		ExpectContinueTimeout: patience, DisableCompression: true}
	if !h2 {
		t.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	}
	return &browser{w: w, jar: jar,
		client: &http.Client{Transport: t, Jar: jar, Timeout: patience}}
}

// header are names and values.
type header []string

// do sends a request and follows redirects, at most so many, which is
// errRedirects where there are more.
func (b *browser) do(method, to string, follow int, h header,
	body io.Reader) (*page, error) {
	r, err := http.NewRequest(method, to, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "Mozilla/5.0")
	for i := 0; i+1 < len(h); i += 2 {
		r.Header.Set(h[i], h[i+1])
	}
	p := &page{trail: []string{to}}
	c := *b.client
	c.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if follow == 0 {
			return http.ErrUseLastResponse
		}
		p.trail = append(p.trail, r.URL.String())
		if len(via) > follow {
			return errRedirects
		}
		return nil
	}
	a, err := c.Do(r)
	if err != nil {
		return p, err
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	p.url, p.status = a.Request.URL.String(), a.StatusCode
	p.header, p.body = a.Header, string(text)
	_ = json.Unmarshal(text, &p.got)
	return p, err
}

// open is what a user does with a URL.
func (b *browser) open(to string, h ...string) *page {
	p, err := b.do("GET", to, redirects, h, nil)
	b.w.must(err)
	return p
}

// ask follows no redirect.
func (b *browser) ask(to string, h ...string) *page {
	p, err := b.do("GET", to, 0, h, nil)
	b.w.must(err)
	return p
}

// cookies that are sent to a URL, whose name begins so.
func (b *browser) cookies(to, prefix string) []*http.Cookie {
	u, err := url.Parse(to)
	b.w.must(err)
	var l []*http.Cookie
	for _, c := range b.jar.Cookies(u) {
		if strings.HasPrefix(c.Name, prefix) {
			l = append(l, c)
		}
	}
	return l
}

// dial opens a connection by TLS, with HTTP/1.1.
func (b *browser) dial(host string) net.Conn {
	conf := b.w.tls()
	conf.ServerName, conf.NextProtos = host, []string{"http/1.1"}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	d := tls.Dialer{Config: conf}
	c, err := d.DialContext(ctx, "tcp", host+":443")
	b.w.must(err)
	b.w.must(c.SetDeadline(time.Now().Add(patience)))
	return c
}

// lines of a request's head, with the cookies.
func (b *browser) lines(method, host, uri string, more ...string) string {
	s := method + " " + uri + " HTTP/1.1\r\nHost: " + host + "\r\n"
	var l []string
	for _, c := range b.cookies("https://"+host+"/", "") {
		l = append(l, c.Name+"="+c.Value)
	}
	if len(l) > 0 {
		s += "Cookie: " + strings.Join(l, "; ") + "\r\n"
	}
	return s + strings.Join(append(more, "", ""), "\r\n")
}

// socket opens a WebSocket and has a text echoed: the status, and what came.
func (b *browser) socket(host, text string, more ...string) (int, string) {
	c := b.dial(host)
	defer c.Close()
	_, err := io.WriteString(c, b.lines("GET", host, "/socket", append(more,
		"Connection: Upgrade", "Upgrade: websocket",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: "+ws.NewKey())...))
	b.w.must(err)
	in := bufio.NewReader(c)
	a, err := http.ReadResponse(in, nil)
	b.w.must(err)
	if a.StatusCode != http.StatusSwitchingProtocols {
		return a.StatusCode, ""
	}
	b.w.must(ws.Write(c, ws.Text, []byte(text), true))
	op, got, err := ws.Read(in)
	b.w.must(err)
	return a.StatusCode, fmt.Sprintf("%d %s", op, got)
}

// upload sends a body once the server says so: the status of the answer, and
// whether it was asked for the body.
func (b *browser) upload(host, uri string, body []byte) (*http.Response,
	string, bool) {
	c := b.dial(host)
	defer c.Close()
	_, err := io.WriteString(c, b.lines("POST", host, uri,
		fmt.Sprintf("Content-Length: %d", len(body)), "Expect: 100-continue",
		"Connection: close"))
	b.w.must(err)
	in := bufio.NewReader(c)
	a, err := http.ReadResponse(in, nil)
	b.w.must(err)
	asked := a.StatusCode == http.StatusContinue
	if asked {
		_, err = c.Write(body)
		b.w.must(err)
		a, err = http.ReadResponse(in, nil)
		b.w.must(err)
	}
	text, err := io.ReadAll(a.Body)
	b.w.must(err)
	return a, string(text), asked
}
