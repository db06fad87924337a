package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ngx_k8s_test/internal/pods"
	"ngx_k8s_test/internal/poll"
	"ngx_k8s_test/internal/ws"
)

// TestMain runs the program itself, not its tests, where that is asked for.
func TestMain(m *testing.M) {
	if os.Getenv("RUN_BACKEND") == "1" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// limit of whatever the program is to do.
const limit = 20 * time.Second

var client = &http.Client{Timeout: limit}

// dial connects to it; all that follows has to be over soon.
func dial(t *testing.T, network, addr string) net.Conn {
	t.Helper()
	c, err := net.DialTimeout(network, addr, limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(limit))
	return c
}

// start runs the program with all ports free ones; returns their addresses.
func start(t *testing.T, args ...string) (*exec.Cmd, map[string]string) {
	t.Helper()
	args = append([]string{"POD_NAME=p-1", "NAMESPACE=ns", "SERVICE_NAME=svc",
		"INGRESS_NAME=ing", "HTTP_PORT=0", "H2C_PORT=0", "HTTPS_PORT=0",
		"MTLS_PORT=0", "TCP_PORT=0", "TLS_PORT=0", "UDP_PORT=0", "-ignored",
		"ignored"}, args...)
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "RUN_BACKEND=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	addrs := map[string]string{}
	late := time.AfterFunc(limit, func() {
		t.Errorf("it does not listen everywhere in %v", limit)
		_ = cmd.Process.Kill()
	})
	defer late.Stop()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) != 3 || f[0] != "listening:" {
			break
		}
		_, port, _ := net.SplitHostPort(f[2])
		addrs[f[1]] = "127.0.0.1:" + port
		if f[1] == "UDP_PORT" {
			break
		}
	}
	return cmd, addrs
}

// get asks once and fails on errors.
func get(t *testing.T, c *http.Client, url string) (int, string) {
	t.Helper()
	r, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

// certificate makes a CA-signed pair; ca nil makes the CA itself.
func certificate(t *testing.T, dir, name string, ca *tls.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"svc.test"}, IsCA: ca == nil,
		BasicConstraintsValid: true}
	parent, signer := tmpl, any(key)
	if ca != nil {
		signer = ca.PrivateKey
		if parent, err = x509.ParseCertificate(ca.Certificate[0]); err != nil {
			t.Fatal(err)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	k, _ := x509.MarshalPKCS8PrivateKey(key)
	for _, f := range []struct {
		name, kind string
		der        []byte
	}{{".crt", "CERTIFICATE", der}, {".key", "PRIVATE KEY", k}} {
		if err := os.WriteFile(filepath.Join(dir, name+f.name), pem.EncodeToMemory(
			&pem.Block{Type: f.kind, Bytes: f.der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestHTTP(t *testing.T) {
	_, a := start(t, "DEFAULTS=headers=1")
	base := "http://" + a["HTTP_PORT"]
	code, body := get(t, client, base+"/x?id=7")
	var e pods.Echo
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		t.Fatal(err, body)
	}
	if code != 200 || e.Pod != "p-1" || e.Namespace != "ns" || e.Service != "svc" ||
		e.Ingress != "ing" || e.Path != "/x?id=7" || e.Method != "GET" ||
		e.HTTPPort != strings.Split(a["HTTP_PORT"], ":")[1] {
		t.Fatal(code, body)
	}
	for _, x := range []struct {
		path, want string
		code       int
	}{
		{"/-/counts", `{"GET":{"begun":1,"whole":1,"bytes":0}}`, 200},
		{"/-/requests?id=7", `"uri":"/x?id=7","bytes":0,"whole":true,"ended":true`, 200},
		{"/-/requests?id=8", `[]`, 200},
		{"/-/pod", `"served":1`, 200},
		{"/-/ready", "", 200},
		{"/-/ready?set=0", "", 200},
		{"/-/ready", "", 503},
		{"/-/live", "", 200},
		{"/-/ready?set=1", "", 200},
		{"/-/ready", "", 200},
		{"/-/defaults?status=418", "", 200},
		{"/", "p-1", 418},
		{"/?status=200", "p-1", 200},
	} {
		code, body := get(t, client, base+x.path)
		if code != x.code || !strings.Contains(body, x.want) {
			t.Errorf("%s: %d %s", x.path, code, body)
		}
	}
	h2 := &http.Transport{Protocols: new(http.Protocols)}
	h2.Protocols.SetUnencryptedHTTP2(true)
	_, body = get(t, &http.Client{Transport: h2, Timeout: limit},
		"http://"+a["H2C_PORT"]+"/?status=200")
	if !strings.Contains(body, `"proto":"HTTP/2.0"`) {
		t.Error(body)
	}
	if _, ok := a["HTTPS_PORT"]; ok {
		t.Error("TLS without a certificate")
	}
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	ca := certificate(t, dir, "ca", nil)
	certificate(t, dir, "server", &ca)
	mine := certificate(t, dir, "client", &ca)
	other := certificate(t, dir, "other", nil)
	_, a := start(t, "TLS_SERVER_CERT="+dir+"/server.crt",
		"TLS_SERVER_PRIVKEY="+dir+"/server.key", "TLS_CLIENT_CACERTS="+dir+"/ca.crt")
	roots := x509.NewCertPool()
	c, _ := x509.ParseCertificate(ca.Certificate[0])
	roots.AddCert(c)
	for _, x := range []struct {
		port  string
		certs []tls.Certificate
		ok    bool
		peers int
	}{
		{"HTTPS_PORT", nil, true, 0},
		{"HTTPS_PORT", []tls.Certificate{mine}, true, 1},
		{"MTLS_PORT", nil, false, 0},
		{"MTLS_PORT", []tls.Certificate{other}, false, 0},
		{"MTLS_PORT", []tls.Certificate{mine}, true, 1},
	} {
		tr := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{
			RootCAs: roots, ServerName: "svc.test", Certificates: x.certs,
			GetClientCertificate: func(*tls.CertificateRequestInfo) (
				*tls.Certificate, error) {
				if x.certs == nil {
					return &tls.Certificate{}, nil
				}
				return &x.certs[0], nil
			}}}
		r, err := (&http.Client{Transport: tr, Timeout: limit}).Get("https://" +
			a[x.port] + "/")
		if (err == nil) != x.ok {
			t.Error(x.port, x.ok, err)
		}
		if err != nil {
			continue
		}
		var e pods.Echo
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil || e.TLS == nil ||
			e.Proto != "HTTP/2.0" || e.TLS.ServerName != "svc.test" ||
			len(e.TLS.PeerCertificates) != x.peers {
			t.Error(x.port, err, e)
		}
		r.Body.Close()
		tr.CloseIdleConnections()
	}
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: limit}, "tcp",
		a["TLS_PORT"], &tls.Config{RootCAs: roots, ServerName: "svc.test"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	echo(t, conn)
}

// echo checks the greeting and an echo.
func echo(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	r := bufio.NewReader(c)
	if l, err := r.ReadString('\n'); l != "p-1 svc\n" {
		t.Fatal(l, err)
	}
	fmt.Fprint(c, "hello\n")
	if l, err := r.ReadString('\n'); l != "hello\n" {
		t.Fatal(l, err)
	}
}

func TestSockets(t *testing.T) {
	_, a := start(t, "DNS_PORT=0")
	r := &net.Resolver{PreferGo: true, Dial: func(_ context.Context, network, _ string) (
		net.Conn, error) {
		return net.DialTimeout(network, a["DNS_PORT"], limit)
	}}
	if l, err := r.LookupHost(t.Context(), "any.name."); err != nil ||
		len(l) != 1 || l[0] != "192.0.2.53" {
		t.Fatal(l, err)
	}
	c := dial(t, "tcp", a["TCP_PORT"])
	echo(t, c)
	u := dial(t, "udp", a["UDP_PORT"])
	fmt.Fprint(u, "data")
	b := make([]byte, 100)
	n, err := u.Read(b)
	if err != nil || string(b[:n]) != "p-1 svc data" {
		t.Fatal(string(b[:n]), err)
	}
}

// exited waits for the program's end and tells its status.
func exited(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	ch := make(chan int, 1)
	go func() {
		_ = cmd.Wait()
		ch <- cmd.ProcessState.ExitCode()
	}()
	select {
	case n := <-ch:
		return n
	case <-time.After(limit):
		t.Fatal("runs on")
		return -1
	}
}

// closed waits until an address takes no connection.
func closed(t *testing.T, addr string) {
	t.Helper()
	until(t, addr+" takes no connection", func() (bool, any) {
		c, err := net.DialTimeout("tcp", addr, limit)
		if err == nil {
			c.Close()
		}
		return err != nil, nil
	})
}

func until(t *testing.T, what string, f func() (bool, any)) {
	t.Helper()
	if _, err := poll.Until(what, limit, f); err != nil {
		t.Fatal(err)
	}
}

// TestTerm: after SIGTERM nothing is accepted, and the request that stands
// gets its answer.
func TestTerm(t *testing.T) {
	cmd, a := start(t)
	c := dial(t, "tcp", a["HTTP_PORT"])
	fmt.Fprint(c, "GET /?pieces=2&pause=400&text&size=100 HTTP/1.1\r\nHost: x\r\n\r\n")
	r := bufio.NewReader(c)
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	closed(t, a["HTTP_PORT"])
	resp, err := io.ReadAll(r)
	if err != nil || !strings.HasSuffix(string(resp), "\r\n0\r\n\r\n") {
		t.Fatal(err, string(resp))
	}
	if n := exited(t, cmd); n != 0 {
		t.Fatal("exit status", n)
	}
}

// TestTermSocket: a WebSocket stands after SIGTERM until its client closes it,
// and then all ends, long before DRAIN.
func TestTermSocket(t *testing.T) {
	cmd, a := start(t, "DRAIN=100")
	c := dial(t, "tcp", a["HTTP_PORT"])
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"+
		"Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"+
		"Sec-WebSocket-Version: 13\r\n\r\n", ws.NewKey())
	r := bufio.NewReader(c)
	if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != 101 {
		t.Fatal(resp, err)
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	closed(t, a["HTTP_PORT"])
	for range 3 {
		_ = ws.Write(c, ws.Text, []byte("still"), true)
		if _, b, err := ws.Read(r); err != nil || string(b) != "svc:still" {
			t.Fatal(string(b), err)
		}
	}
	c.Close()
	if n := exited(t, cmd); n != 0 {
		t.Fatal("exit status", n)
	}
}

// TestDrain: a request that lasts longer than DRAIN is given up.
func TestDrain(t *testing.T) {
	cmd, a := start(t, "DRAIN=0.1")
	c := dial(t, "tcp", a["HTTP_PORT"])
	fmt.Fprint(c, "GET /?hang HTTP/1.1\r\nHost: x\r\n\r\n")
	until(t, "a request that hangs", func() (bool, any) {
		_, body := get(t, client, "http://"+a["HTTP_PORT"]+"/-/pod")
		return strings.Contains(body, `"inFlight":1`), body
	})
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if n := exited(t, cmd); n != 0 {
		t.Fatal("exit status", n)
	}
}

func TestEnds(t *testing.T) {
	cmd, _ := start(t, "EXIT_AFTER=0.1", "EXIT_CODE=3")
	if n := exited(t, cmd); n != 3 {
		t.Fatal("exit status", n)
	}
	cmd, a := start(t, "IGNORE_TERM=1", "READY=0")
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if code, _ := get(t, client, "http://"+a["HTTP_PORT"]+"/-/ready"); code != 503 {
		t.Fatal(code)
	}
	_, err := client.Get("http://" + a["HTTP_PORT"] + "/-/exit?code=4")
	if n := exited(t, cmd); err == nil || n != 4 {
		t.Fatal("exit status", n, err)
	}
	cmd, _ = start(t, "DRAIN=long")
	if n := exited(t, cmd); n != 1 {
		t.Fatal("exit status", n)
	}
}

func TestLog(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	_, a := start(t, "REQUEST_LOG="+file)
	get(t, client, "http://"+a["HTTP_PORT"]+"/a?id=1")
	var b []byte
	until(t, "two lines", func() (bool, any) {
		b, _ = os.ReadFile(file)
		return strings.Count(string(b), "\n") >= 2, string(b)
	})
	l := strings.Split(string(b), "\n")
	if len(l) != 3 || !strings.Contains(l[0], `"ended":false`) ||
		!strings.Contains(l[1], `"ended":true`) || !strings.Contains(l[1], `"id":"1"`) {
		t.Fatal(string(b))
	}
}
