package client

import (
	"testing"
	"time"

	"ngx_k8s_test/internal/pods"
)

func run(t *testing.T, service string, during func(*pods.Set)) Result {
	t.Helper()
	s := pods.NewSet()
	t.Cleanup(s.StopAll)
	p, err := s.Start(pods.Options{Name: "p", Service: "svc",
		Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	l := Start(Config{Addr: p.Addr, Conns: 3, Sockets: 2, Upload: true,
		LongPoll: true, Pause: time.Millisecond, Posts: 5 * time.Millisecond,
		Targets: []Target{{"a.test", "/x", service}}})
	time.Sleep(300 * time.Millisecond)
	if during != nil {
		during(s)
	}
	return l.Stop(s.Release)
}

func TestGood(t *testing.T) {
	r := run(t, "svc", nil)
	if r.Requests == 0 || r.Messages == 0 || r.Posts == 0 || r.Failed != 0 ||
		r.Foreign != 0 || r.Uploaded == 0 || !r.Polled || r.Retries != 0 {
		t.Fatalf("%+v", r)
	}
}

func TestForeign(t *testing.T) {
	if r := run(t, "other", nil); r.Foreign == 0 || r.Failed < r.Foreign {
		t.Fatalf("%+v", r)
	}
}

func TestLost(t *testing.T) {
	r := run(t, "svc", func(s *pods.Set) {
		s.Stop("p", false)
		time.Sleep(50 * time.Millisecond)
	})
	if r.Failed == 0 || r.Retries == 0 {
		t.Fatalf("%+v", r)
	}
}

// a poll that nobody ends does not hold the load up
func TestPollStays(t *testing.T) {
	s := pods.NewSet()
	t.Cleanup(s.StopAll)
	p, err := s.Start(pods.Options{Name: "p", Service: "svc",
		Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	l := Start(Config{Addr: p.Addr, LongPoll: true,
		Timeout: 200 * time.Millisecond,
		Targets: []Target{{"a.test", "/x", "svc"}}})
	for i := 0; p.InFlight() == 0 && i < 1000; i++ {
		time.Sleep(5 * time.Millisecond)
	}
	if r := l.Stop(nil); r.FailedBy["poll"] != 1 || r.Polled {
		t.Fatalf("%+v", r)
	}
}
