// Package answer is a small DNS server: records that the program sets, names
// from a source of its own, and faults on demand.
package answer

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Options of a server.
type Options struct {
	// Listen is an address, or address:port; the port is 53 without one.
	Listen string
	// Source gives the records of a name (in small letters, without the last
	// dot) that was not set, and whether the name exists; nil: none does.
	Source func(name string) ([]Record, bool)
	// Domain is the owner of the SOA in negative answers, and TTL how many
	// seconds these may be kept.
	Domain string
	TTL    uint32
	// Answer, if valid, is the address of every name that nothing else has.
	Answer netip.Addr
}

// Server answers by UDP and TCP until it is closed.
type Server struct {
	o    Options
	udp  net.PacketConn
	tcp  net.Listener
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu     sync.Mutex
	zone   zone            // of Set
	loaded zone            // of Load
	asked  map[string]int  // by name, in small letters
	serial map[string]uint // of the next record to stand first, by name
}

// Start starts a server.
func Start(ctx context.Context, o Options) (*Server, error) {
	if _, _, err := net.SplitHostPort(o.Listen); err != nil {
		o.Listen = net.JoinHostPort(o.Listen, "53")
	}
	ctx, stop := context.WithCancel(ctx)
	s := &Server{o: o, stop: stop, asked: map[string]int{},
		serial: map[string]uint{}}
	var err error
	if s.tcp, err = net.Listen("tcp", o.Listen); err != nil {
		stop()
		return nil, err
	}
	// the same port, where the caller let the system choose
	if s.udp, err = net.ListenPacket("udp", s.tcp.Addr().String()); err != nil {
		stop()
		_ = s.tcp.Close()
		return nil, err
	}
	s.wg.Add(2)
	go s.serveUDP()
	go s.serveTCP(ctx)
	return s, nil
}

// Addr is the address:port that the server listens on.
func (s *Server) Addr() string { return s.tcp.Addr().String() }

// Close ends it; there is never an error.
func (s *Server) Close() error {
	s.stop()
	_ = s.udp.Close()
	_ = s.tcp.Close()
	s.wg.Wait()
	return nil
}

// Asked tells how many queries came for a name, of any type.
func (s *Server) Asked(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[canonical(name)]
}

func (s *Server) serveUDP() {
	defer s.wg.Done()
	buf := make([]byte, 65536)
	for {
		n, from, err := s.udp.ReadFrom(buf)
		if err != nil {
			return
		}
		query := append([]byte(nil), buf[:n]...)
		s.wg.Add(1)
		go func() {
			defer s.wg.Done()
			if b := s.reply(query, false); b != nil {
				_, _ = s.udp.WriteTo(b, from)
			}
		}()
	}
}

func (s *Server) serveTCP(ctx context.Context) {
	defer s.wg.Done()
	for {
		c, err := s.tcp.Accept()
		if err != nil {
			return
		}
		s.wg.Add(1)
		go func() {
			defer s.wg.Done()
			defer c.Close()
			defer context.AfterFunc(ctx, func() { _ = c.Close() })()
			s.stream(c)
		}()
	}
}

// stream answers the queries of one TCP connection.
func (s *Server) stream(c net.Conn) {
	for {
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		var l [2]byte
		if _, err := io.ReadFull(c, l[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(l[:]))
		if _, err := io.ReadFull(c, query); err != nil {
			return
		}
		b := s.reply(query, true)
		if b == nil {
			continue
		}
		b = append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

// canonical is a name in small letters without the last dot.
func canonical(name string) string {
	return strings.ToLower(strings.TrimSuffix(name, "."))
}

// reply makes the answer to a query; nil: none.
func (s *Server) reply(query []byte, tcp bool) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(query)
	if err != nil || h.Response {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return pack(&dnsmessage.Message{Header: dnsmessage.Header{ID: h.ID,
			Response: true, RCode: dnsmessage.RCodeFormatError}})
	}
	size, edns := 512, false
	if p.SkipAllQuestions() == nil && p.SkipAllAnswers() == nil &&
		p.SkipAllAuthorities() == nil {
		if a, err := p.AdditionalHeader(); err == nil && a.Type == dnsmessage.TypeOPT {
			size, edns = max(512, int(a.Class)), true
		}
	}
	name := canonical(q.Name.String())
	s.mu.Lock()
	s.asked[name]++
	f := s.zone.fault(name)
	if f == nil {
		f = s.loaded.fault(name)
	}
	s.mu.Unlock()

	m := &dnsmessage.Message{Header: dnsmessage.Header{ID: h.ID, Response: true,
		OpCode: h.OpCode, Authoritative: true,
		RecursionDesired: h.RecursionDesired, RecursionAvailable: true},
		Questions: []dnsmessage.Question{q}}
	switch {
	case f != nil && f.Silent:
		return nil
	case f != nil && f.Truncate && !tcp:
		m.Truncated = true
		return pack(m)
	case f != nil && f.RCode != dnsmessage.RCodeSuccess:
		m.RCode = f.RCode
		return pack(m)
	case h.OpCode != 0:
		m.RCode = dnsmessage.RCodeNotImplemented
		return pack(m)
	}
	s.fill(m, q, name)
	if edns {
		m.Additionals = append(m.Additionals, opt())
	}
	b := pack(m)
	if b != nil && !tcp && len(b) > size {
		m.Answers, m.Authorities, m.Truncated = nil, nil, true
		b = pack(m)
	}
	return b
}

// fill puts the answers into a message, following CNAMEs, or the SOA of a
// negative answer.
func (s *Server) fill(m *dnsmessage.Message, q dnsmessage.Question, name string) {
	at := q.Name.String()
	exists := false
	for range 8 {
		l, ok := s.find(name)
		exists = ok
		next := ""
		for _, r := range l {
			if r.Type == dnsmessage.TypeCNAME {
				next = r.Target
			}
			if r.Type == q.Type || r.Type == dnsmessage.TypeCNAME {
				m.Answers = append(m.Answers, r.resource(at))
			}
		}
		if next == "" || q.Type == dnsmessage.TypeCNAME {
			break
		}
		name, at = canonical(next), canonical(next)+"."
	}
	if !exists {
		m.RCode = dnsmessage.RCodeNameError
	}
	if !exists || len(m.Answers) == 0 {
		m.Authorities = append(m.Authorities, s.soa())
	}
}

// find gives a name's records, turned by one at each call, and whether the
// name exists.
func (s *Server) find(name string) ([]Record, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.zone.records(name)
	if !ok {
		l, ok = s.loaded.records(name)
	}
	if !ok && s.o.Source != nil {
		l, ok = s.o.Source(name)
	}
	if !ok && s.o.Answer.IsValid() {
		return []Record{Address(s.o.Answer, s.o.TTL)}, true
	}
	if len(l) > 1 {
		n := int(s.serial[name] % uint(len(l)))
		s.serial[name]++
		l = append(append([]Record(nil), l[n:]...), l[:n]...)
	}
	return l, ok
}

// soa ends a negative answer.
func (s *Server) soa() dnsmessage.Resource {
	name := dnsmessage.MustNewName(canonical(s.o.Domain) + ".")
	return dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET,
			TTL: s.o.TTL},
		Body: &dnsmessage.SOAResource{NS: name, MBox: name, Serial: 1,
			Refresh: 3600, Retry: 600, Expire: 86400, MinTTL: s.o.TTL}}
}

func opt() dnsmessage.Resource {
	r := dnsmessage.Resource{Body: &dnsmessage.OPTResource{}}
	r.Header.Name = dnsmessage.MustNewName(".")
	_ = r.Header.SetEDNS0(4096, dnsmessage.RCodeSuccess, false)
	return r
}

// pack is nil where a message cannot be written.
func pack(m *dnsmessage.Message) []byte {
	b, err := m.Pack()
	if err != nil {
		return nil
	}
	return b
}

// Resolver is a Go resolver that asks this server alone.
func (s *Server) Resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, s.Addr())
		}}
}
