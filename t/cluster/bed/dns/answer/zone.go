package answer

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// Record of a name.
type Record struct {
	Type   dnsmessage.Type // A, AAAA, CNAME or SRV
	TTL    uint32          // seconds
	Addr   netip.Addr      // of A and AAAA
	Target string          // of CNAME and SRV
	Port   uint16          // of SRV
}

// Address makes the record of an address, A or AAAA.
func Address(a netip.Addr, ttl uint32) Record {
	r := Record{Type: dnsmessage.TypeA, TTL: ttl, Addr: a.Unmap()}
	if r.Addr.Is6() {
		r.Type = dnsmessage.TypeAAAA
	}
	return r
}

// resource is the record as it goes into an answer.
func (r Record) resource(name string) dnsmessage.Resource {
	n, _ := dnsmessage.NewName(name)
	m := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: n,
		Class: dnsmessage.ClassINET, TTL: r.TTL, Type: r.Type}}
	target, _ := dnsmessage.NewName(canonical(r.Target) + ".")
	switch r.Type {
	case dnsmessage.TypeA:
		m.Body = &dnsmessage.AResource{A: r.Addr.As4()}
	case dnsmessage.TypeAAAA:
		m.Body = &dnsmessage.AAAAResource{AAAA: r.Addr.As16()}
	case dnsmessage.TypeCNAME:
		m.Body = &dnsmessage.CNAMEResource{CNAME: target}
	case dnsmessage.TypeSRV:
		m.Body = &dnsmessage.SRVResource{Weight: 100, Port: r.Port, Target: target}
	}
	return m
}

// Fault is what is wrong with the answers of a name.
type Fault struct {
	RCode    dnsmessage.RCode // if not success, the answer's
	Silent   bool             // no answer
	Truncate bool             // by UDP only "truncated"
}

// zone holds records and faults by name; "*.DOMAIN" is every name below one,
// "*" every name.
type zone struct {
	names  map[string][]Record
	faults map[string]Fault
}

// wildcards calls f for a name and each wildcard above it until f is true.
func wildcards(name string, f func(string) bool) {
	if f(name) {
		return
	}
	for rest := name; ; {
		_, after, ok := strings.Cut(rest, ".")
		if !ok {
			break
		}
		rest = after
		if f("*." + rest) {
			return
		}
	}
	f("*")
}

func (z *zone) records(name string) (l []Record, ok bool) {
	wildcards(name, func(n string) bool {
		l, ok = z.names[n]
		return ok
	})
	return
}

func (z *zone) fault(name string) (f *Fault) {
	wildcards(name, func(n string) bool {
		if x, ok := z.faults[n]; ok {
			f = &x
		}
		return f != nil
	})
	return
}

// Set gives a name these records instead of those that it had; with none it
// has no more.  "*.a.test" is every name below a.test.
func (s *Server) Set(name string, l ...Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.zone.names == nil {
		s.zone.names = map[string][]Record{}
	}
	if len(l) == 0 {
		delete(s.zone.names, canonical(name))
		return
	}
	s.zone.names[canonical(name)] = l
}

// SetAddress gives a name one address.
func (s *Server) SetAddress(name, addr string, ttl uint32) error {
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return err
	}
	s.Set(name, Address(a, ttl))
	return nil
}

// SetFault makes the answers of a name ("*": of every name) wrong; nil makes
// them right.
func (s *Server) SetFault(name string, f *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.zone.faults == nil {
		s.zone.faults = map[string]Fault{}
	}
	if f == nil {
		delete(s.zone.faults, canonical(name))
		return
	}
	s.zone.faults[canonical(name)] = *f
}

// Load takes lines "NAME TTL TYPE VALUE", of type A, AAAA, CNAME, or SRV with
// the value TARGET:PORT, and lines "NAME FAULT", SERVFAIL, REFUSED, NXDOMAIN,
// SILENT or TRUNCATE, instead of those that it took before.  Empty lines and
// those that begin with # are passed over.  Where a line is wrong, every name
// that is not Set fails until the next Load, so that the mistake is seen.
func (s *Server) Load(text string) error {
	z, err := parse(text)
	if err != nil {
		z.faults = map[string]Fault{"*": {RCode: dnsmessage.RCodeServerFailure}}
	}
	s.mu.Lock()
	s.loaded = z
	s.mu.Unlock()
	return err
}

func parse(text string) (zone, error) {
	z := zone{map[string][]Record{}, map[string]Fault{}}
	for _, line := range strings.Split(text, "\n") {
		f := strings.Fields(line)
		if len(f) == 0 || f[0][0] == '#' {
			continue
		}
		name := canonical(f[0])
		var err error
		switch len(f) {
		case 2:
			err = z.addFault(name, f[1])
		case 4:
			err = z.addRecord(name, f[1], f[2], f[3])
		default:
			err = fmt.Errorf("%d words", len(f))
		}
		if err != nil {
			return zone{}, fmt.Errorf("%q: %w", line, err)
		}
	}
	return z, nil
}

func (z *zone) addFault(name, fault string) error {
	f, ok := map[string]Fault{
		"SERVFAIL": {RCode: dnsmessage.RCodeServerFailure},
		"REFUSED":  {RCode: dnsmessage.RCodeRefused},
		"NXDOMAIN": {RCode: dnsmessage.RCodeNameError},
		"SILENT":   {Silent: true},
		"TRUNCATE": {Truncate: true},
	}[fault]
	if !ok {
		return fmt.Errorf("unknown fault %s", fault)
	}
	z.faults[name] = f
	return nil
}

func (z *zone) addRecord(name, ttl, kind, value string) error {
	n, err := strconv.ParseUint(ttl, 10, 32)
	if err != nil {
		return err
	}
	r := Record{TTL: uint32(n), Target: value}
	switch kind {
	case "A", "AAAA":
		a, err := netip.ParseAddr(value)
		if err != nil {
			return err
		}
		if r = Address(a, r.TTL); (kind == "A") != (r.Type == dnsmessage.TypeA) {
			return fmt.Errorf("not an address for %s", kind)
		}
	case "CNAME":
		r.Type = dnsmessage.TypeCNAME
	case "SRV":
		target, port, ok := strings.Cut(value, ":")
		p, err := strconv.ParseUint(port, 10, 16)
		if !ok || err != nil {
			return fmt.Errorf("SRV wants TARGET:PORT")
		}
		r.Type, r.Target, r.Port = dnsmessage.TypeSRV, target, uint16(p)
	default:
		return fmt.Errorf("unknown type %s", kind)
	}
	z.names[name] = append(z.names[name], r)
	return nil
}
