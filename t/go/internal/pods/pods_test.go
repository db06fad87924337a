package pods

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"ngx_k8s_test/internal/ws"
)

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
		c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
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
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if b, err := io.ReadAll(c); err != nil || !strings.Contains(string(b), "svc p") {
		t.Fatal("idle connection was not closed", err)
	}
	p = one(t, Options{Reset: true})
	c, err := net.Dial("tcp", p.Addr)
	if err == nil {
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
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
