package pods

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"ngx_k8s_test/internal/poll"
	"ngx_k8s_test/internal/ws"
)

// patience is long enough for a machine that has other things to do.
const patience = 30 * time.Second

func one(t *testing.T, o Options) *Pod {
	t.Helper()
	s := NewSet()
	t.Cleanup(s.StopAll)
	o.Name, o.Service, o.Addr = "p", "svc", "127.0.0.1:0"
	p, err := s.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAnswers(t *testing.T) {
	p := one(t, Options{})
	base := "http://" + p.Addr
	for _, x := range []struct {
		query string
		code  int
		err   bool
		body  string
	}{
		{"/a/b", 200, false, "svc p GET /a/b 0\n"},
		{"/?status=418", 418, false, "svc"},
		{"/?size=1000", 200, false, "svc"},
		{"/?json", 200, false, `"pod":"p"`},
		{"/?bigheader=5000", 200, false, "svc"},
		{"/?close", 0, true, ""},
		{"/?reset", 0, true, ""},
		{"/?drop=10", 200, true, ""},
	} {
		c := &http.Client{Timeout: patience,
			Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := c.Get(base + x.query)
		if err == nil {
			var b []byte
			b, err = io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != x.code || !strings.Contains(string(b), x.body) ||
				resp.Header.Get("X-Service") != "svc" {
				t.Fatal(x, resp.StatusCode, string(b))
			}
		}
		if (err != nil) != x.err {
			t.Fatal(x, err)
		}
	}
	early := 0
	r, _ := http.NewRequest("POST", base+"/?early&trailers",
		strings.NewReader("12345"))
	r = r.WithContext(httptrace.WithClientTrace(r.Context(),
		&httptrace.ClientTrace{Got1xxResponse: func(code int,
			_ textproto.MIMEHeader) error {
			early = code
			return nil
		}}))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if early != 103 || resp.Trailer.Get("X-Trailer") != "after" ||
		!strings.HasSuffix(string(b), " 5\n") {
		t.Fatal(early, resp.Trailer, string(b))
	}
}

func TestEcho(t *testing.T) {
	p := one(t, Options{})
	c, err := net.Dial("tcp", p.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	key := ws.NewKey()
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"+
		"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: %s\r\n\r\n", key)
	b := bufio.NewReader(c)
	resp, err := http.ReadResponse(b, nil)
	if err != nil || resp.StatusCode != 101 ||
		resp.Header.Get("Sec-WebSocket-Accept") != ws.Accept(key) {
		t.Fatal(resp, err)
	}
	for _, n := range []int{1, 200, 70000} {
		text := strings.Repeat("y", n)
		_ = ws.Write(c, ws.Text, []byte(text), true)
		op, got, err := ws.Read(b)
		if err != nil || op != ws.Text || string(got) != "svc:"+text {
			t.Fatal(n, op, err)
		}
	}
}

func TestModes(t *testing.T) {
	p := one(t, Options{Idle: 0.05})
	c, _ := net.Dial("tcp", p.Addr)
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	_ = c.SetReadDeadline(time.Now().Add(patience))
	if b, err := io.ReadAll(c); err != nil || !strings.Contains(string(b), "svc p") {
		t.Fatal("idle connection was not closed", err)
	}
	p = one(t, Options{Reset: true})
	c, err := net.Dial("tcp", p.Addr)
	if err == nil {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		_, err = c.Read(make([]byte, 1))
	}
	if err == nil || err == io.EOF {
		t.Fatal("not reset", err)
	}
	p = one(t, Options{Hole: true})
	c, _ = net.Dial("tcp", p.Addr)
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Fatal("answered", err)
	}
}

// exchange sends text and returns all that comes until the end.
func exchange(t *testing.T, p *Pod, text string) (string, error) {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	fmt.Fprint(c, text)
	b, err := io.ReadAll(c)
	return string(b), err
}

func TestWrong(t *testing.T) {
	p := one(t, Options{})
	get := func(query string) (string, error) {
		return exchange(t, p, "GET /?"+query+" HTTP/1.1\r\nHost: x\r\n"+
			"Connection: close\r\n\r\n")
	}
	for _, x := range []struct {
		query, want string
		reset       bool
	}{
		{"drop=20", "Content-Length: 120\r\n\r\n0123456789abcde\n0123", false},
		{"drop=20&reset", "", true},
		{"reset", "", true},
		{"drop=20&chunked", "chunked\r\n\r\n78\r\n0123456789abcde\n0123", false},
		{"length=3", "Content-Length: 3\r\n", false},
		{"length=3000&status=201", "HTTP/1.1 201", false},
		{"length=3000", "svc p GET /?length=3000 0\n", false},
		{"size=40&text", " 0\n0123456789abc", false},
		{"size=40&pieces=3&pause=1", "chunked\r\n", false},
		{"keepalive=7", "Keep-Alive: timeout=7\r\n", false},
		{"headers=3", "X-Many-2: m\r\n", false},
		{"status=204", "HTTP/1.1 204 No Content\r\n", false},
	} {
		b, err := get(x.query)
		if !strings.Contains(b, x.want) || (err != nil) != x.reset ||
			x.reset && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: %v %q", x.query, err, b)
		}
	}
	b, _ := exchange(t, p, "POST /?refuse=417 HTTP/1.1\r\nHost: x\r\n"+
		"Expect: 100-continue\r\nContent-Length: 5\r\n"+
		"Connection: close\r\n\r\n")
	if !strings.HasPrefix(b, "HTTP/1.1 417 ") {
		t.Errorf("refuse: %q", b)
	}
	p.SetDefaults(url.Values{"status": {"503"}})
	if b, _ = get("a"); !strings.HasPrefix(b, "HTTP/1.1 503 ") {
		t.Errorf("defaults: %q", b)
	}
}

// flying waits until so many requests are in flight.
func flying(t *testing.T, p *Pod, n int) {
	t.Helper()
	if _, err := poll.Until(fmt.Sprintf("%d requests in flight", n), patience,
		func() (bool, any) { return p.InFlight() == n, p.InFlight() }); err != nil {
		t.Fatal(err)
	}
}

func TestHang(t *testing.T) {
	p := one(t, Options{})
	c, _ := net.Dial("tcp", p.Addr)
	defer c.Close()
	fmt.Fprintf(c, "GET /?hang HTTP/1.1\r\nHost: x\r\n\r\n")
	flying(t, p, 1)
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Fatal("answered", err)
	}
}

// TestAnswered: those who wait for the last answer are woken by it.
func TestAnswered(t *testing.T) {
	p := one(t, Options{})
	if err := p.Answered(t.Context()); err != nil {
		t.Fatal("without a request", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	none, end := context.WithCancel(ctx)
	end()
	for i := 0; i < 2; i++ {
		var conns []net.Conn
		for i := 0; i < 2; i++ {
			c, err := net.Dial("tcp", p.Addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			fmt.Fprintf(c, "GET /?hang HTTP/1.1\r\nHost: x\r\n\r\n")
			conns = append(conns, c)
		}
		flying(t, p, 2)
		woken := make(chan error, 2)
		for i := 0; i < 2; i++ {
			go func() { woken <- p.Answered(ctx) }()
		}
		conns[0].Close()
		flying(t, p, 1)
		if err := p.Answered(none); !errors.Is(err, context.Canceled) {
			t.Fatal("one is in flight", err)
		}
		conns[1].Close()
		for i := 0; i < 2; i++ {
			if err := <-woken; err != nil || p.InFlight() != 0 {
				t.Fatal(err, p.InFlight())
			}
		}
	}
}

func TestBody(t *testing.T) {
	p := one(t, Options{Echo: true})
	text := strings.Repeat("z", 100000)
	r, err := http.Post("http://"+p.Addr+"/up?id=whole", "text/plain",
		strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var e Echo
	if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
		t.Fatal(err)
	}
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
	if e.Bytes != 100000 || e.SHA256 != sum || e.Path != "/up?id=whole" ||
		e.Pod != "p" || r.Header.Get("X-Body-SHA256") != sum {
		t.Fatal(e, r.Header)
	}

	// half a body, as its sender sees the pod's end: while it waits, then cut
	c, _ := net.Dial("tcp", p.Addr)
	fmt.Fprintf(c, "POST /?id=half HTTP/1.1\r\nHost: x\r\n"+
		"Content-Length: 10\r\n\r\n12345")
	check := func(ended bool) {
		t.Helper()
		for i := 0; i < 1000; i++ {
			l := p.Records("half")
			if len(l) == 1 && l[0].Bytes == 5 && l[0].Ended == ended {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
		t.Fatal(p.Records("half"))
	}
	check(false)
	_ = c.Close()
	check(true)
	n := p.Counts()["POST"]
	if n.Begun != 2 || n.Whole != 1 || n.Bytes != 100005 {
		t.Fatal(n)
	}
	for i := 0; i < keep+5; i++ {
		p.end(p.begin(&http.Request{Method: "GET", URL: &url.URL{}}))
	}
	if l := p.Records(""); len(l) != keep {
		t.Fatal(len(l))
	}
}

func TestCloseAfter(t *testing.T) {
	two := strings.Repeat("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 2)
	for _, quiet := range []bool{false, true} {
		p := one(t, Options{CloseAfter: 2, Quiet: quiet})
		b, err := exchange(t, p, two)
		if err != nil || strings.Count(b, "200 OK") != 2 ||
			strings.Contains(b, "Connection: close") == quiet {
			t.Fatal(quiet, err, b)
		}
	}
}

func TestGRPC(t *testing.T) {
	p := NewSet().New(Options{Name: "p"})
	s := httptest.NewUnstartedServer(p)
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	for _, x := range []struct{ ask, status string }{{"", "0"}, {"14", "14"}} {
		m := "\x00\x00\x00\x00\x02ab\x00\x00\x00\x00\x00"
		r, _ := http.NewRequest("POST", s.URL+"/any.Service/Method",
			strings.NewReader(m))
		r.Header.Set("Content-Type", "application/grpc")
		r.Header.Set("X-Grpc-Status", x.ask)
		resp, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		status := resp.Trailer.Get("Grpc-Status")
		if x.ask != "" {
			m, status = "", resp.Header.Get("Grpc-Status")
		}
		if resp.ProtoMajor != 2 || string(b) != m || status != x.status {
			t.Fatalf("%q %q %v", x.ask, b, resp)
		}
	}
}

// TestAgain uses an address again and again while programs are started: a child
// between fork and exec holds copies of all sockets.
func TestAgain(t *testing.T) {
	s := NewSet()
	t.Cleanup(s.StopAll)
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-quit:
				return
			default:
				_ = exec.Command("true").Run()
			}
		}
	}()
	addr := "127.0.0.1:0"
	for i := range 3000 {
		p, err := s.Start(Options{Name: "p", Service: "svc", Addr: addr})
		if err != nil {
			t.Errorf("round %d: %v", i, err)
			break
		}
		addr = p.Addr
		s.Stop("p", i%2 == 0)
	}
	close(quit)
	<-ended
}
