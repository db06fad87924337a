package api

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"net/http"
	"sync/atomic"
	"time"
)

// Fault is a rule: requests that it matches meet the fault.  Zero fields do
// nothing.  The first rule with Count left that matches takes effect alone.
type Fault struct {
	// which requests
	Resource string `json:"resource,omitempty"` // plural; "": any
	Verb     string `json:"verb,omitempty"`     // list, watch, get; "": any
	NS       string `json:"ns,omitempty"`
	Name     string `json:"name,omitempty"`
	Initial  *bool  `json:"initial,omitempty"`  // only (not) sendInitialEvents
	Continue *bool  `json:"continue,omitempty"` // only (not) later pages
	Skip     int    `json:"skip,omitempty"`     // spare so many first
	Count    int    `json:"count,omitempty"`    // how many; 0: all

	// instead of the answer
	Status     int    `json:"status,omitempty"`
	RetryAfter int    `json:"retryAfter,omitempty"`  // seconds
	Event      int    `json:"event,omitempty"`       // ERROR event of this code
	TooLarge   bool   `json:"tooLarge,omitempty"`    // 504, unless RV is empty
	NoList     bool   `json:"noWatchList,omitempty"` // 422 to streaming lists
	Bad        bool   `json:"badRequest,omitempty"`  // with NoList: 400
	Expire     bool   `json:"expire,omitempty"`      // 410 for continue tokens
	Hang       bool   `json:"hang,omitempty"`        // no answer, no FIN
	DelayMS    int    `json:"delay,omitempty"`       // before the answer
	Body       string `json:"body,omitempty"`        // this text, status 200
	Goaway     bool   `json:"goaway,omitempty"`      // GOAWAY, or Connection: close

	// in the answer
	CutAt      int64  `json:"cutAt,omitempty"`     // connection ends at this byte
	CutRandom  int64  `json:"cutRandom,omitempty"` // or at a random one below
	Seed       int64  `json:"seed,omitempty"`
	How        string `json:"how,omitempty"`    // fin (default), rst, end, stream
	HangAt     int64  `json:"hangAt,omitempty"` // silent from this byte on
	Chunk      int    `json:"chunk,omitempty"`  // bytes in one write
	DripMS     int    `json:"drip,omitempty"`   // between such writes
	NoBookmark bool   `json:"noBookmark,omitempty"`
	NoEnd      bool   `json:"noInitialEnd,omitempty"`
	Duplicate  bool   `json:"duplicate,omitempty"` // each event twice
	Old        bool   `json:"old,omitempty"`       // the state before, once more
	Odd        bool   `json:"odd,omitempty"`       // unknown fields, types, nulls
	Garble     string `json:"garble,omitempty"`    // this line before each event
	Nameless   bool   `json:"nameless,omitempty"`  // DELETED lacks metadata.name
	SlowMS     int    `json:"slow,omitempty"`      // between events
	Timeout    int    `json:"timeoutMs,omitempty"` // watch ends after

	id    int
	fired int64
	seen  int
	off   int32
	rng   *rand.Rand
}

// Fired tells how often the fault has happened.
func (f *Fault) Fired() int {
	return int(atomic.LoadInt64(&f.fired))
}

func (f *Fault) hit() {
	atomic.AddInt64(&f.fired, 1)
}

// alive until it is cleared.
func (f *Fault) alive() bool {
	return atomic.LoadInt32(&f.off) == 0
}

// Inject adds a fault and returns it, to be asked later.
func (s *Server) Inject(f Fault) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faultID++
	f.id = s.faultID
	f.rng = rand.New(rand.NewSource(f.Seed))
	s.faults = append(s.faults, &f)
	return &f
}

// Clear ends one fault, or all with nil.
func (s *Server) Clear(f *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keep []*Fault
	for _, x := range s.faults {
		if f != nil && x != f {
			keep = append(keep, x)
			continue
		}
		atomic.StoreInt32(&x.off, 1)
	}
	s.faults = keep
}

func (s *Server) faultFor(q *query) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		switch {
		case f.Resource != "" && f.Resource != q.kind.Plural,
			f.Verb != "" && f.Verb != q.verb,
			f.NS != "" && f.NS != q.ns,
			f.Name != "" && f.Name != q.name,
			f.Initial != nil && *f.Initial != q.initial,
			f.Continue != nil && *f.Continue != (q.cont != ""),
			f.TooLarge && (q.rv == "" || q.rv == "0"),
			f.NoList && !q.initial,
			f.Expire && q.cont == "":
			continue
		}
		if f.seen++; f.seen <= f.Skip {
			continue
		}
		if f.Count > 0 && f.seen > f.Skip+f.Count {
			continue
		}
		return f
	}
	return nil
}

// instead answers in place of the server; false: go on.
func (s *Server) instead(q *query, o *out) bool {
	f := q.fault
	if f == nil {
		return false
	}
	if f.DelayMS > 0 {
		f.hit()
		o.wait(time.Duration(f.DelayMS) * time.Millisecond)
	}
	var e *failure
	switch {
	case f.Hang:
		f.hit()
		o.hang()
		return true
	case f.Status == 403:
		e = errForbidden(q.kind, q.verb, q.ns, q.name)
	case f.Status == 404 && q.verb != "get":
		e = errNoResource()
	case f.Status == 404:
		e = errNotFound(q.kind, q.name)
	case f.Status > 0:
		e = errGeneric(f.Status, f.RetryAfter)
	case f.TooLarge:
		rv := parseRV(q.rv)
		e = errTooLarge(rv, rv-1)
	case f.NoList && f.Bad:
		e = errBad("unknown parameter: sendInitialEvents")
	case f.NoList:
		e = errNoWatchList()
	case f.Expire:
		e = errContinueExpired(q.cont)
	case f.Event > 0:
		f.hit()
		o.w.Header().Set("Content-Type", "application/json")
		o.head(200)
		e = errGeneric(f.Event, f.RetryAfter)
		b, _ := json.Marshal(Map{"type": "ERROR", "object": e.status()})
		o.write(append(b, '\n'))
		o.flush()
		return true
	case f.Body != "":
		f.hit()
		o.w.Header().Set("Content-Type", "application/json")
		o.head(200)
		o.write([]byte(f.Body))
		return true
	}
	if e != nil {
		f.hit()
		e.send(o.w, o)
		return true
	}
	if f.Goaway {
		f.hit()
		o.w.Header().Set("Connection", "close")
	}
	return false
}

// out writes an answer and applies the faults that lie in its bytes.
type out struct {
	s     *Server
	w     http.ResponseWriter
	r     *http.Request
	f     *Fault
	entry *Request
	gz    interface{ Flush() error }
	n     int64
	cut   int64
	dirty bool
}

func (o *out) head(code int) {
	atomic.StoreInt64(&o.entry.status, int64(code))
	o.w.WriteHeader(code)
}

func (o *out) raw(p []byte) {
	if _, err := o.w.Write(p); err != nil {
		panic(http.ErrAbortHandler)
	}
	o.n += int64(len(p))
	atomic.StoreInt64(&o.entry.bytes, o.n)
	o.dirty = true
}

func (o *out) flush() {
	if o.dirty {
		if f, ok := o.w.(http.Flusher); ok {
			f.Flush()
		}
		o.dirty = false
	}
}

// limit is the byte at which the answer ends or falls silent, -1: none.
func (o *out) limit() int64 {
	f := o.f
	switch {
	case f == nil:
		return -1
	case f.CutAt > 0:
		return f.CutAt
	case f.CutRandom > 0:
		if o.cut == 0 {
			o.s.mu.Lock()
			o.cut = 1 + f.rng.Int63n(f.CutRandom)
			o.s.mu.Unlock()
		}
		return o.cut
	case f.HangAt > 0:
		return f.HangAt
	}
	return -1
}

func (o *out) write(p []byte) {
	f := o.f
	for len(p) > 0 {
		n := len(p)
		if f != nil && f.Chunk > 0 && f.alive() {
			if n > f.Chunk {
				n = f.Chunk
			}
			if o.n == 0 {
				f.hit()
			}
		}
		end := o.limit()
		if end >= 0 && o.n+int64(n) >= end && f.alive() {
			n = int(end - o.n)
			o.raw(p[:n])
			o.flush()
			f.hit()
			if f.CutAt == 0 && f.CutRandom == 0 {
				o.hang()
			}
			o.end(f.How)
		}
		o.raw(p[:n])
		p = p[n:]
		if f != nil && f.Chunk > 0 {
			o.flush()
			if f.DripMS > 0 && f.alive() {
				o.wait(time.Duration(f.DripMS) * time.Millisecond)
			}
		}
	}
}

// end breaks the answer off here; it does not return.
func (o *out) end(how string) {
	if how == "end" {
		panic(stop{})
	}
	if c := connOf(o.r.Context()); c != nil && how != "stream" {
		c.cut(how == "rst")
	}
	panic(http.ErrAbortHandler)
}

type stop struct{}

// hang waits until the fault is cleared or the client leaves, then breaks off.
func (o *out) hang() {
	for o.f.alive() {
		select {
		case <-o.r.Context().Done():
			panic(http.ErrAbortHandler)
		case <-o.s.quit:
			panic(http.ErrAbortHandler)
		case <-time.After(10 * time.Millisecond):
		}
	}
	panic(http.ErrAbortHandler)
}

func (o *out) wait(d time.Duration) {
	select {
	case <-o.r.Context().Done():
		panic(http.ErrAbortHandler)
	case <-o.s.quit:
	case <-time.After(d):
	}
}

// event writes one line of a watch, with what faults make of it.
func (o *out) event(typ string, object []byte, old []byte) {
	line := func(typ string, object []byte) []byte {
		return []byte(fmt.Sprintf("{\"type\":%q,\"object\":%s}\n", typ, object))
	}
	f := o.f
	if f == nil || !f.alive() || typ == "BOOKMARK" {
		o.write(line(typ, object))
		return
	}
	if f.Garble != "" {
		f.hit()
		o.write([]byte(f.Garble + "\n"))
	}
	if f.Odd {
		f.hit()
		object = odd(object)
	}
	if f.Nameless && typ == "DELETED" {
		f.hit()
		object = []byte(`{"metadata":{}}`)
	}
	o.write(line(typ, object))
	if f.Duplicate {
		f.hit()
		o.write(line(typ, object))
	}
	if f.Old && old != nil && typ == "MODIFIED" {
		f.hit()
		o.write(line(typ, old))
	}
	if f.SlowMS > 0 {
		f.hit()
		o.flush()
		o.wait(time.Duration(f.SlowMS) * time.Millisecond)
	}
}

// odd adds what a later API version might, without a change of meaning.
func odd(object []byte) []byte {
	var m Map
	if json.Unmarshal(object, &m) != nil {
		return object
	}
	m["x-unknown"] = Map{"deep": []interface{}{nil, 1, "x", Map{"a": nil}}}
	if meta, ok := m["metadata"].(Map); ok {
		meta["selfLink"] = nil
		meta["ownerReferences"] = nil
		meta["x-unknown"] = []interface{}{}
		if meta["annotations"] == nil {
			meta["annotations"] = nil
		}
	}
	switch m["kind"] {
	case "EndpointSlice":
		for _, k := range []string{"endpoints", "ports"} {
			l, _ := m[k].([]interface{})
			for _, e := range l {
				if em, ok := e.(Map); ok {
					em["x-unknown"] = 1.5e300
					em["hints"] = nil
					em["appProtocol"] = nil
				}
			}
			if len(l) == 0 {
				m[k] = nil
			}
		}
	case "Ingress":
		if sp, ok := m["spec"].(Map); ok {
			if sp["tls"] == nil {
				sp["tls"] = nil
			}
			sp["x-unknown"] = true
		}
		m["status"] = Map{"loadBalancer": nil}
	case "Service":
		if sp, ok := m["spec"].(Map); ok {
			sp["externalIPs"] = nil
			sp["x-unknown"] = Map{}
		}
	}
	b, _ := json.Marshal(m)
	return b
}
