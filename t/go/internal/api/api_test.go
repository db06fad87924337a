package api

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

const ing = "/apis/networking.k8s.io/v1/ingresses"

func start(t *testing.T, useTLS bool) (*Server, *http.Client) {
	t.Helper()
	s := New()
	s.BookmarkEvery = 20 * time.Millisecond
	var ca *CA
	tr := &http.Transport{}
	if useTLS {
		var err error
		if ca, err = NewCA("test"); err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(ca.PEM)
		tr.TLSClientConfig = &tls.Config{RootCAs: pool}
		tr.ForceAttemptHTTP2 = true
	}
	if err := s.Start("127.0.0.1:0", ca); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s, &http.Client{Transport: tr, Timeout: time.Minute}
}

func do(t *testing.T, c *http.Client, s *Server, path string, h ...string) (
	*http.Response, Map) {
	t.Helper()
	r, _ := http.NewRequest("GET", s.URL()+path, nil)
	for i := 0; i+1 < len(h); i += 2 {
		r.Header.Set(h[i], h[i+1])
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	var m Map
	_ = json.Unmarshal(b, &m)
	return resp, m
}

func rvOf(m Map) string {
	meta, _ := m["metadata"].(Map)
	v, _ := meta["resourceVersion"].(string)
	return v
}

type stream struct {
	resp *http.Response
	r    *bufio.Reader
}

func open(t *testing.T, c *http.Client, s *Server, query string) *stream {
	t.Helper()
	resp, err := c.Get(s.URL() + ing + "?watch=1&" + query)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return &stream{resp, bufio.NewReader(resp.Body)}
}

// next event other than a plain bookmark.
func (x *stream) next(t *testing.T) (string, Map) {
	t.Helper()
	for {
		line, err := x.r.ReadBytes('\n')
		if err != nil {
			return err.Error(), nil
		}
		var e struct {
			Type   string
			Object Map
		}
		if err := json.Unmarshal(line, &e); err != nil {
			return "garbage", nil
		}
		if e.Type == "BOOKMARK" &&
			e.Object["metadata"].(Map)["annotations"] == nil {
			continue
		}
		return e.Type, e.Object
	}
}

func put(s *Server, name string) *Object {
	return s.Put("ingresses", Ingress("default", name, name+".test",
		Path{"/", "Prefix", "svc", 80}))
}

func TestListWatch(t *testing.T) {
	for _, useTLS := range []bool{false, true} {
		s, c := start(t, useTLS)
		put(s, "a")
		resp, m := do(t, c, s, ing)
		if resp.StatusCode != 200 || m["kind"] != "IngressList" {
			t.Fatal(resp.Status, m)
		}
		if want := map[bool]string{false: "HTTP/1.1", true: "HTTP/2.0"}[useTLS]; resp.Proto != want {
			t.Fatal(resp.Proto)
		}
		if i := m["items"].([]interface{})[0].(Map); i["kind"] != nil {
			t.Fatal("list items carry no kind")
		}
		w := open(t, c, s, "resourceVersion="+rvOf(m)+"&allowWatchBookmarks=true")
		o := put(s, "b")
		typ, obj := w.next(t)
		if typ != "ADDED" || obj["kind"] != "Ingress" ||
			rvOf(obj) != strconv.FormatUint(o.RV, 10) {
			t.Fatal(typ, obj)
		}
		put(s, "b")
		if typ, _ = w.next(t); typ != "MODIFIED" {
			t.Fatal(typ)
		}
		_, _ = s.Delete("ingresses", "default", "b")
		if typ, obj = w.next(t); typ != "DELETED" ||
			rvOf(obj) != strconv.FormatUint(s.RV(), 10) {
			t.Fatal(typ, obj)
		}
		s.EndWatches("")
		if typ, _ = w.next(t); typ != "EOF" {
			t.Fatal(typ)
		}
	}
}

func TestWatchList(t *testing.T) {
	s, c := start(t, false)
	put(s, "a")
	put(s, "b")
	q := "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&" +
		"allowWatchBookmarks=true&resourceVersion="
	w := open(t, c, s, q)
	for _, want := range []string{"ADDED", "ADDED", "BOOKMARK"} {
		if typ, _ := w.next(t); typ != want {
			t.Fatal(typ, want)
		}
	}
	s.WatchList = false
	resp, m := do(t, c, s, ing+"?watch=1&"+q)
	if resp.StatusCode != 422 || m["reason"] != "Invalid" {
		t.Fatal(resp.Status, m)
	}
}

func TestVersions(t *testing.T) {
	s, c := start(t, false)
	o := put(s, "a")
	s.Compact()
	w := open(t, c, s, "resourceVersion="+strconv.FormatUint(o.RV, 10))
	typ, m := w.next(t)
	if typ != "ERROR" || m["code"] != 410.0 || m["reason"] != "Expired" {
		t.Fatal(typ, m)
	}
	resp, m := do(t, c, s, ing+"?resourceVersion=99999999")
	if resp.StatusCode != 504 || !strings.Contains(m["message"].(string),
		"Too large resource version: 99999999, current: ") {
		t.Fatal(resp.Status, m)
	}
	cause := m["details"].(Map)["causes"].([]interface{})[0].(Map)
	if cause["reason"] != "ResourceVersionTooLarge" {
		t.Fatal(m)
	}
	s.Snapshot("x")
	put(s, "b")
	now := s.RV()
	w = open(t, c, s, "resourceVersion="+strconv.FormatUint(now, 10))
	s.Restore("x")
	if typ, _ := w.next(t); !strings.Contains(typ, "EOF") {
		t.Fatal(typ)
	}
	if s.RV() >= now || s.Get("ingresses", "default", "b") != nil {
		t.Fatal("not restored")
	}
}

// TestRestoreEndsWatches: a watch that a client has the header of is ended, also
// when the server has got no further with it.
func TestRestoreEndsWatches(t *testing.T) {
	s, c := start(t, false)
	c.Timeout = 0
	for i := 0; i < 300; i++ {
		s.Snapshot("x")
		w := open(t, c, s, "resourceVersion="+
			strconv.FormatUint(put(s, "a").RV, 10))
		s.Restore("x")
		late := time.AfterFunc(20*time.Second, func() {
			t.Error("it goes on, watch ", i)
			w.resp.Body.Close()
		})
		typ, _ := w.next(t)
		if !late.Stop() || !strings.Contains(typ, "EOF") {
			t.Fatal(typ)
		}
	}
}

func TestPages(t *testing.T) {
	s, c := start(t, false)
	for i := 0; i < 25; i++ {
		put(s, "i"+strconv.Itoa(100+i))
	}
	n, token := 0, ""
	for page := 0; ; page++ {
		_, m := do(t, c, s, ing+"?limit=10&continue="+token)
		n += len(m["items"].([]interface{}))
		token, _ = m["metadata"].(Map)["continue"].(string)
		put(s, "x"+strconv.Itoa(page)) // not seen: the list is one moment
		if token == "" {
			break
		}
	}
	if n != 25 {
		t.Fatal(n)
	}
	_, m := do(t, c, s, ing+"?limit=10")
	token = m["metadata"].(Map)["continue"].(string)
	s.ExpireTokens()
	resp, m := do(t, c, s, ing+"?limit=10&continue="+token)
	if resp.StatusCode != 410 || m["metadata"].(Map)["continue"] == nil {
		t.Fatal(resp.Status, m)
	}
}

func TestSecrets(t *testing.T) {
	s, c := start(t, false)
	s.Generate(Gen{Helm: 3, HelmSize: 10000})
	s.Put("secrets", TLSSecret("default", "tls", []byte("c"), []byte("k")))
	list := "/api/v1/secrets?fieldSelector=type!%3Dhelm.sh%2Frelease.v1"
	_, m := do(t, c, s, list, "Accept",
		"application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")
	i := m["items"].([]interface{})
	if m["kind"] != "PartialObjectMetadataList" || len(i) != 1 ||
		i[0].(Map)["data"] != nil || i[0].(Map)["kind"] != "PartialObjectMetadata" {
		t.Fatal(m)
	}
	if len(s.Secrets()) != 0 {
		t.Fatal(s.Secrets())
	}
	_, m = do(t, c, s, "/api/v1/namespaces/default/secrets/tls")
	if m["kind"] != "Secret" || s.Secrets()["default/tls"] != 1 {
		t.Fatal(m, s.Secrets())
	}
	resp, m := do(t, c, s, "/api/v1/namespaces/default/secrets/none")
	if resp.StatusCode != 404 || m["message"] != `secrets "none" not found` {
		t.Fatal(resp.Status, m)
	}
}

func TestAuth(t *testing.T) {
	s, c := start(t, true)
	s.SetTokens("good")
	if resp, m := do(t, c, s, ing); resp.StatusCode != 401 ||
		m["reason"] != "Unauthorized" {
		t.Fatal(resp.Status)
	}
	if resp, _ := do(t, c, s, ing, "Authorization", "Bearer good"); resp.StatusCode != 200 {
		t.Fatal(resp.Status)
	}
	crt, key, _ := s.CA.Issue("me")
	pair, _ := tls.X509KeyPair(crt, key)
	conf := c.Transport.(*http.Transport).TLSClientConfig.Clone()
	conf.Certificates = []tls.Certificate{pair}
	c2 := &http.Client{Transport: &http.Transport{TLSClientConfig: conf,
		ForceAttemptHTTP2: true}}
	if resp, _ := do(t, c2, s, ing); resp.StatusCode != 200 {
		t.Fatal(resp.Status)
	}
	for _, how := range []string{"token", "inline", "cert"} {
		if _, err := s.WriteKubeconfig(t.TempDir(), how, "good"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFaults(t *testing.T) {
	s, c := start(t, false)
	put(s, "a")
	for _, x := range []struct {
		f    Fault
		code int
	}{
		{Fault{Status: 429, RetryAfter: 3}, 429}, {Fault{Status: 410}, 410},
		{Fault{Status: 403}, 403}, {Fault{Status: 404}, 404},
		{Fault{Status: 500}, 500}, {Fault{Status: 503}, 503},
		{Fault{Status: 401}, 401},
	} {
		x.f.Count = 1
		x.f.Resource = "ingresses"
		f := s.Inject(x.f)
		resp, _ := do(t, c, s, ing)
		if resp.StatusCode != x.code || f.Fired() != 1 {
			t.Fatal(resp.Status, x.code, f.Fired())
		}
		if x.f.RetryAfter > 0 && resp.Header.Get("Retry-After") != "3" {
			t.Fatal("no Retry-After")
		}
		if resp, _ = do(t, c, s, ing); resp.StatusCode != 200 {
			t.Fatal("counted wrong", resp.Status)
		}
		s.Clear(f)
	}

	f := s.Inject(Fault{Verb: "watch", CutAt: 100})
	resp, err := c.Get(s.URL() + ing + "?watch=1")
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if len(b) != 100 || err == nil || f.Fired() != 1 {
		t.Fatal(len(b), err)
	}
	s.Clear(nil)

	s.Inject(Fault{Verb: "list", Chunk: 1})
	if _, m := do(t, c, s, ing); m["kind"] != "IngressList" {
		t.Fatal(m)
	}
	s.Clear(nil)

	s.Inject(Fault{Verb: "watch", Odd: true, Duplicate: true, Garble: "{"})
	w := open(t, c, s, "")
	for _, want := range []string{"garbage", "ADDED", "ADDED"} {
		if typ, _ := w.next(t); typ != want {
			t.Fatal(typ, want)
		}
	}
	s.Clear(nil)

	f = s.Inject(Fault{Verb: "list", Hang: true})
	c.Timeout = 100 * time.Millisecond
	if _, err := c.Get(s.URL() + ing); err == nil || f.Fired() != 1 {
		t.Fatal("answered")
	}
	c.Timeout = 5 * time.Second
	s.Clear(nil)

	s.Down()
	if _, err := c.Get(s.URL() + ing); err == nil {
		t.Fatal("not refused")
	}
	if err := s.Up(); err != nil {
		t.Fatal(err)
	}
	if resp, _ := do(t, c, s, ing); resp.StatusCode != 200 {
		t.Fatal(resp.Status)
	}
}

func TestGoaway(t *testing.T) {
	s, c := start(t, true)
	put(s, "a")
	w := open(t, c, s, "")
	if typ, _ := w.next(t); typ != "ADDED" {
		t.Fatal(typ)
	}
	s.Goaway()
	if typ, _ := w.next(t); typ != "EOF" {
		t.Fatal(typ)
	}
	if resp, _ := do(t, c, s, ing); resp.StatusCode != 200 {
		t.Fatal(resp.Status)
	}
	if n := s.accepted; n != 2 {
		t.Fatal("connections:", n)
	}
}

func TestWrites(t *testing.T) {
	s, c := start(t, false)
	send := func(method, path, body string) int {
		r, _ := http.NewRequest(method, s.URL()+path, strings.NewReader(body))
		resp, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	base := "/apis/networking.k8s.io/v1/namespaces/d/ingresses"
	for _, x := range []struct {
		method, path, body string
		code               int
	}{
		{"POST", base, `{"metadata":{"name":"x"},"spec":{"a":1,"b":2}}`, 201},
		{"POST", base, `{"metadata":{"name":"x"}}`, 409},
		{"PATCH", base + "/x", `{"spec":{"a":null}}`, 200},
		{"PUT", base + "/x", `{"metadata":{"resourceVersion":"1"}}`, 409},
		{"PUT", base + "/y", `{"metadata":{}}`, 404},
		{"POST", base, `nonsense`, 400},
	} {
		if code := send(x.method, x.path, x.body); code != x.code {
			t.Fatal(x, code)
		}
	}
	if b, _ := json.Marshal(s.Get("ingresses", "d", "x").M["spec"]); string(b) != `{"b":2}` {
		t.Fatal(string(b))
	}
	if send("DELETE", base+"/x", "") != 200 || send("DELETE", base+"/x", "") != 404 {
		t.Fatal("delete")
	}
}

func TestControl(t *testing.T) {
	s, _ := start(t, false)
	h := s.Control()
	post := func(path, body string) string {
		r, _ := http.NewRequest("POST", path, strings.NewReader(body))
		w := &rec{}
		h.ServeHTTP(w, r)
		return w.String()
	}
	post("/gen", `{"n":5,"namespaces":2}`)
	if l, _ := s.All("ingresses", ""); len(l) != 5 {
		t.Fatal(len(l))
	}
	post("/put", `{"kind":"Namespace","metadata":{"name":"n"}}`)
	if s.Get("namespaces", "", "n") == nil {
		t.Fatal("put")
	}
	if got := post("/fault", `{"status":500}`); !strings.Contains(got, `"id":1`) {
		t.Fatal(got)
	}
	if got := post("/counters", ""); !strings.Contains(got, `"fired":0`) {
		t.Fatal(got)
	}
	if got := post("/fault", `{"nonsense":1}`); !strings.Contains(got, "error") {
		t.Fatal(got)
	}
}

type rec struct{ strings.Builder }

func (*rec) Header() http.Header { return http.Header{} }
func (*rec) WriteHeader(int)     {}
