package answer_test

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"ngx_k8s_test/cluster/dns/answer"
	"ngx_k8s_test/cluster/dns/answer/answertest"
)

const a = dnsmessage.TypeA

func start(t *testing.T, o answer.Options) *answer.Server {
	t.Helper()
	o.Listen = "127.0.0.1:0"
	s, err := answer.Start(t.Context(), o)
	return answertest.Started(t, s, err)
}

func TestTurns(t *testing.T) {
	s := start(t, answer.Options{})
	one, two := answer.Address(netip.MustParseAddr("192.0.2.1"), 0),
		answer.Address(netip.MustParseAddr("192.0.2.2"), 0)
	s.Set("a.test", one, two)
	first := map[string]bool{}
	for range 2 {
		m := answertest.Ask(s, "udp", "a.test", a, 5*time.Second)
		first[netip.AddrFrom4(m.Answers[0].Body.(*dnsmessage.AResource).A).String()] = true
	}
	if len(first) != 2 {
		t.Error(first)
	}
	s.Set("a.test")
	if m := answertest.Ask(s, "udp", "a.test", a, 5*time.Second); m.RCode !=
		dnsmessage.RCodeNameError {
		t.Error(m)
	}
}

func TestFaults(t *testing.T) {
	s := start(t, answer.Options{Answer: netip.MustParseAddr("192.0.2.53")})
	answertest.Await(t, s, "any.name", "192.0.2.53")
	s.SetFault("any.name", &answer.Fault{RCode: dnsmessage.RCodeServerFailure})
	if m := answertest.Ask(s, "tcp", "any.name", a, 5*time.Second); m.RCode !=
		dnsmessage.RCodeServerFailure {
		t.Error(m)
	}
	answertest.Await(t, s, "other.name", "192.0.2.53")
	s.SetFault("any.name", nil)
	s.SetFault("*", &answer.Fault{Silent: true})
	if m := answertest.Ask(s, "udp", "any.name", a, 50*time.Millisecond); m != nil {
		t.Error(m)
	}
	s.SetFault("*", &answer.Fault{Truncate: true})
	if m := answertest.Ask(s, "udp", "any.name", a, 5*time.Second); !m.Truncated {
		t.Error(m)
	}
	if m := answertest.Ask(s, "tcp", "any.name", a, 5*time.Second); answer.Words(m) !=
		"192.0.2.53" {
		t.Error(m)
	}
	s.SetFault("*", nil)
	answertest.Await(t, s, "any.name", "192.0.2.53")
}

// TestLarge: what does not fit into a datagram comes by TCP.
func TestLarge(t *testing.T) {
	s := start(t, answer.Options{})
	var l []answer.Record
	for i := range 100 {
		l = append(l, answer.Address(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 1))
	}
	s.Set("large.test", l...)
	if m := answertest.Ask(s, "udp", "large.test", a, 5*time.Second); !m.Truncated ||
		len(m.Answers) != 0 {
		t.Error(m)
	}
	if m := answertest.Ask(s, "tcp", "large.test", a, 5*time.Second); len(m.Answers) != 100 {
		t.Error(m)
	}
	h, err := s.Resolver().LookupHost(t.Context(), "large.test.")
	if len(h) != 100 || err != nil {
		t.Error(h, err)
	}
}

// TestHostile: bytes that are no query get no answer, and do no harm.
func TestHostile(t *testing.T) {
	s := start(t, answer.Options{Answer: netip.MustParseAddr("192.0.2.53")})
	c, err := net.Dial("udp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := range 200 {
		b := make([]byte, i%40)
		for j := range b {
			b[j] = byte(i * (j + 3))
		}
		_, _ = c.Write(b)
	}
	answertest.Await(t, s, "any.name", "192.0.2.53")
}
