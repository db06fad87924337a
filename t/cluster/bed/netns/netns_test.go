package netns

import (
	"io"
	"net"
	"os"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	Enter()
	os.Exit(m.Run())
}

// greeter answers every connection to port 80 of a pod with a text.
func greeter(t *testing.T, address, text string) *Pod {
	t.Helper()
	p, err := NewPod(address)
	if err != nil {
		t.Fatal(err)
	}
	var l net.Listener
	if err := p.Do(func() (err error) {
		l, err = net.Listen("tcp", ":80")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, text+" "+c.RemoteAddr().(*net.TCPAddr).IP.String())
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); p.Close() })
	return p
}

func ask(address string) (string, error) {
	c, err := net.DialTimeout("tcp", address+":80", 2*time.Second)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	b, err := io.ReadAll(c)
	return string(b), err
}

func want(t *testing.T, from *Pod, address, text string) {
	t.Helper()
	f := func() error {
		got, err := ask(address)
		if err != nil || got != text {
			t.Errorf("%s answers %q, %v; want %q", address, got, err, text)
		}
		return nil
	}
	if from == nil {
		f()
	} else if err := from.Do(f); err != nil {
		t.Error(err)
	}
}

func TestPodsReachEachOther(t *testing.T) {
	a := greeter(t, "10.244.9.1", "a")
	b := greeter(t, "10.244.9.2", "b")
	want(t, nil, "10.244.9.1", "a 10.244.0.1")
	want(t, b, "10.244.9.1", "a 10.244.9.2")
	want(t, a, "10.244.9.2", "b 10.244.9.1")
	want(t, a, "10.244.9.1", "a 10.244.9.1")
}

// A freed address is at once that of another pod, for all who knew the first.
func TestAddressGivenAgain(t *testing.T) {
	pool := NewPool("10.244.9.253")
	x, y, z := pool.Take(), pool.Take(), pool.Take()
	if x != "10.244.9.253" || y != "10.244.9.254" || z != "10.244.10.1" {
		t.Errorf("took %s, %s, %s", x, y, z)
	}
	b := greeter(t, x, "other")
	for _, text := range []string{"one", "two", "three"} {
		p := greeter(t, y, text)
		want(t, nil, y, text+" 10.244.0.1")
		want(t, b, y, text+" "+x)
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		pool.Free(y)
		if got := pool.Take(); got != y {
			t.Errorf("took %s after %s was freed", got, y)
		}
	}
	if got, err := ask(y); err == nil {
		t.Errorf("a pod that is gone answers %q", got)
	}
}

func TestBadAddress(t *testing.T) {
	for _, a := range []string{"", "x", "::1"} {
		if _, err := NewPod(a); err == nil {
			t.Errorf("a pod with address %q", a)
		}
	}
}
