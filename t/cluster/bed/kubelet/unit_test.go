package kubelet

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
)

func TestExpand(t *testing.T) {
	vars := map[string]string{"A": "a", "EMPTY": ""}
	for in, want := range map[string]string{
		"": "", "$": "$", "$$": "$", "$(A)": "a", "$(A)$(A)": "aa",
		"$$(A)": "$(A)", "$$$(A)": "$a", "$(B)": "$(B)", "$(A": "$(A",
		"$A": "$A", "x$(EMPTY)y": "xy", "$()": "$()", "a)": "a)",
	} {
		if got := expand(in, vars); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestCapabilities(t *testing.T) {
	var set uint64
	if err := capabilities(&set, defaultCapabilities, true); err != nil ||
		set != 0xa80425fb {
		t.Errorf("%x, %v", set, err)
	}
	if err := capabilities(&set, []v1.Capability{"NO"}, true); err == nil {
		t.Error("an unknown capability")
	}
}

// Whoever reads while a volume changes sees one state or the other.
func TestWriteVolume(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "v")
	state := func(n int) map[string]file {
		f := map[string]file{"a": {fmt.Sprint(n), 0o640, 0},
			"sub/b": {fmt.Sprint(n), 0o444, 0}}
		if n%2 == 1 {
			f["odd"] = file{"odd", 0o600, 0}
		}
		return f
	}
	if err := writeVolume(dir, state(0), -1); err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			// through one look at ..data, as those do who want both
			at, err := filepath.EvalSymlinks(filepath.Join(dir, "..data"))
			if err != nil && !os.IsNotExist(err) {
				done <- err
				return
			}
			a, err1 := os.ReadFile(filepath.Join(at, "a"))
			b, err2 := os.ReadFile(filepath.Join(at, "sub/b"))
			if err1 == nil && err2 == nil && string(a) != string(b) {
				done <- fmt.Errorf("%s and %s", a, b)
				return
			}
			if _, err := os.Stat(filepath.Join(dir, "a")); err != nil {
				done <- err
				return
			}
		}
	}()
	for n := 1; n <= 200; n++ {
		if err := writeVolume(dir, state(n), -1); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
	st, err := os.Stat(filepath.Join(dir, "a"))
	if err != nil || st.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", st, err)
	}
	list, _ := os.ReadDir(dir)
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	if len(names) != 4 || strings.Contains(strings.Join(names, " "), "odd") {
		t.Errorf("files %q", names)
	}
	if err := writeVolume(dir, map[string]file{"../x": {"", 0o600, 0}},
		-1); err == nil {
		t.Error("a file out of the volume")
	}
}

func TestLogTail(t *testing.T) {
	l, err := newLog(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 150<<10)
	go func() {
		fmt.Fprintf(w, "one\ntwo\n%s\nthree\npart", long)
		w.Close()
	}()
	l.copy("stdout", r)
	l.close()
	for n, want := range map[int]string{0: "", 1: "part", 2: "three\npart",
		-1: "one\ntwo\n" + long + "\nthree\npart",
		99: "one\ntwo\n" + long + "\nthree\npart"} {
		var b bytes.Buffer
		if err := l.read(context.Background(), &b,
			logOptions{tail: n, follow: true}); err != nil ||
			b.String() != want {
			t.Errorf("the last %d: %d bytes, %v", n, b.Len(), err)
		}
	}
}

func TestGRPCProbe(t *testing.T) {
	serving := byte(1)
	s := httptest.NewUnstartedServer(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if r.URL.Path != "/grpc.health.v1.Health/Check" ||
				!bytes.Equal(body, []byte("\x00\x00\x00\x00\x05\x0a\x03abc")) {
				w.Header().Set("Grpc-Status", "5")
				return
			}
			w.Header().Set("Trailer", "Grpc-Status")
			w.Write([]byte{0, 0, 0, 0, 2, 8, serving})
			w.Header().Set("Grpc-Status", "0")
		}))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	defer s.Close()
	addr := s.Listener.Addr().(*net.TCPAddr)
	c := &container{p: &pod{ip: addr.IP.String()}, c: &v1.Container{}}
	ask := func(service string) error {
		return c.grpc(context.Background(), &v1.GRPCAction{
			Port: int32(addr.Port), Service: &service})
	}
	if err := ask("abc"); err != nil {
		t.Error(err)
	}
	if err := ask("other"); err == nil {
		t.Error("an unknown service")
	}
	serving = 2
	if err := ask("abc"); err == nil {
		t.Error("a service that does not serve")
	}
}
