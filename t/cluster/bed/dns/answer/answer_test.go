package answer

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const a = dnsmessage.TypeA

func start(t *testing.T, o Options) *Server {
	t.Helper()
	o.Listen = "127.0.0.1:0"
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// ask sends a query and gives the answer; nil: none came.
func ask(t *testing.T, s *Server, network, name string, kind dnsmessage.Type,
	limit time.Duration) *dnsmessage.Message {
	t.Helper()
	m, _ := Ask(network, s.Addr(), name, kind, limit)
	return m
}

// await asks until the answer's records are these.
func await(t *testing.T, s *Server, name, want string) {
	t.Helper()
	var m *dnsmessage.Message
	for range 1000 {
		if m = ask(t, s, "udp", name, a, 5*time.Second); m != nil && Words(m) == want {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%s: %v, not %q", name, m, want)
}

func TestTurns(t *testing.T) {
	s := start(t, Options{})
	one, two := Address(netip.MustParseAddr("192.0.2.1"), 0),
		Address(netip.MustParseAddr("192.0.2.2"), 0)
	s.Set("a.test", one, two)
	first := map[string]bool{}
	for range 2 {
		m := ask(t, s, "udp", "a.test", a, 5*time.Second)
		first[netip.AddrFrom4(m.Answers[0].Body.(*dnsmessage.AResource).A).String()] = true
	}
	if len(first) != 2 {
		t.Error(first)
	}
	s.Set("a.test")
	if m := ask(t, s, "udp", "a.test", a, 5*time.Second); m.RCode != dnsmessage.RCodeNameError {
		t.Error(m)
	}
}

func TestFaults(t *testing.T) {
	s := start(t, Options{Answer: netip.MustParseAddr("192.0.2.53")})
	await(t, s, "any.name", "192.0.2.53")
	s.SetFault("any.name", &Fault{RCode: dnsmessage.RCodeServerFailure})
	if m := ask(t, s, "tcp", "any.name", a, 5*time.Second); m.RCode !=
		dnsmessage.RCodeServerFailure {
		t.Error(m)
	}
	await(t, s, "other.name", "192.0.2.53")
	s.SetFault("any.name", nil)
	s.SetFault("*", &Fault{Silent: true})
	if m := ask(t, s, "udp", "any.name", a, 50*time.Millisecond); m != nil {
		t.Error(m)
	}
	s.SetFault("*", &Fault{Truncate: true})
	if m := ask(t, s, "udp", "any.name", a, 5*time.Second); !m.Truncated {
		t.Error(m)
	}
	if m := ask(t, s, "tcp", "any.name", a, 5*time.Second); Words(m) != "192.0.2.53" {
		t.Error(m)
	}
	s.SetFault("*", nil)
	await(t, s, "any.name", "192.0.2.53")
}

// TestLarge: what does not fit into a datagram comes by TCP.
func TestLarge(t *testing.T) {
	s := start(t, Options{})
	var l []Record
	for i := range 100 {
		l = append(l, Address(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 1))
	}
	s.Set("large.test", l...)
	if m := ask(t, s, "udp", "large.test", a, 5*time.Second); !m.Truncated ||
		len(m.Answers) != 0 {
		t.Error(m)
	}
	if m := ask(t, s, "tcp", "large.test", a, 5*time.Second); len(m.Answers) != 100 {
		t.Error(m)
	}
	h, err := s.Resolver().LookupHost(t.Context(), "large.test.")
	if len(h) != 100 || err != nil {
		t.Error(h, err)
	}
}

// TestHostile: bytes that are no query get no answer, and do no harm.
func TestHostile(t *testing.T) {
	s := start(t, Options{Answer: netip.MustParseAddr("192.0.2.53")})
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
	await(t, s, "any.name", "192.0.2.53")
	for _, bad := range []string{"a", "a b", "a 1 A", "a 1 A x", "a x A 192.0.2.1",
		"a 1 AAAA 192.0.2.1", "a 1 MX b", "a 1 SRV b", "a 1 A 192.0.2.1 5"} {
		if _, err := parse(bad); err == nil {
			t.Error(bad)
		}
	}
}
