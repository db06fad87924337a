package api

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Request is an entry of the log.
type Request struct {
	Time      time.Time `json:"time"`
	Method    string    `json:"method"`
	Verb      string    `json:"verb"`
	Resource  string    `json:"resource"`
	NS        string    `json:"ns,omitempty"`
	Name      string    `json:"name,omitempty"`
	Sub       string    `json:"sub,omitempty"`
	RV        string    `json:"rv"`
	Match     string    `json:"match,omitempty"`
	Initial   bool      `json:"initial,omitempty"`
	Bookmarks bool      `json:"bookmarks,omitempty"`
	Timeout   int       `json:"timeout,omitempty"`
	Limit     int       `json:"limit,omitempty"`
	Continue  bool      `json:"continue,omitempty"`
	Fields    string    `json:"fields,omitempty"`
	Labels    string    `json:"labels,omitempty"`
	Partial   bool      `json:"partial,omitempty"`
	Proto     string    `json:"proto"`
	Agent     string    `json:"agent,omitempty"`
	Token     string    `json:"token,omitempty"`
	Cert      string    `json:"cert,omitempty"`
	Fault     int       `json:"fault,omitempty"`
	Status    int       `json:"status"`
	Bytes     int64     `json:"bytes"`
	Done      bool      `json:"done"`

	status, bytes int64
	done          int32
}

// query is a request understood.
type query struct {
	kind            *Kind
	verb            string
	ns, name, sub   string
	rv, match, cont string
	initial         bool
	bookmarks       bool
	partial         bool
	limit           int
	timeout         time.Duration
	sel             selector
	fault           *Fault
}

func parseRV(v string) uint64 {
	n, _ := strconv.ParseUint(v, 10, 64)
	return n
}

func parsePath(path string) (k *Kind, ns, name, sub string, ok bool) {
	p := strings.Split(strings.Trim(path, "/"), "/")
	group, version := "", ""
	switch {
	case len(p) >= 3 && p[0] == "api":
		version, p = p[1], p[2:]
	case len(p) >= 4 && p[0] == "apis":
		group, version, p = p[1], p[2], p[3:]
	default:
		return nil, "", "", "", false
	}
	if len(p) >= 3 && p[0] == "namespaces" {
		ns, p = p[1], p[2:]
	}
	if len(p) == 3 && p[2] == "status" {
		sub, p = p[2], p[:2]
	}
	k = KindOf(p[0])
	if k == nil || k.Group != group || k.Version != version || len(p) > 2 ||
		(ns != "" && !k.Namespaced) {
		return nil, "", "", "", false
	}
	if len(p) == 2 {
		name = p[1]
		if k.Namespaced && ns == "" {
			return nil, "", "", "", false
		}
	}
	return k, ns, name, sub, true
}

func (s *Server) authorized(r *http.Request, e *Request) bool {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		e.Cert = r.TLS.PeerCertificates[0].Subject.CommonName
	}
	e.Token = token
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.auth || s.tokens[token] || e.Cert != ""
}

func (s *Server) handle(w http.ResponseWriter, r *http.Request) {
	e := &Request{Time: time.Now(), Method: r.Method, Proto: r.Proto,
		Agent: r.UserAgent()}
	o := &out{s: s, w: w, r: r, entry: e}
	defer func() {
		atomic.StoreInt32(&e.done, 1)
		if x := recover(); x != nil {
			if _, ok := x.(stop); !ok {
				panic(x)
			}
		}
	}()

	if !strings.HasPrefix(r.URL.Path, "/api") {
		s.note(e)
		switch r.URL.Path {
		case "/version":
			w.Header().Set("Content-Type", "application/json")
			o.head(200)
			o.write([]byte(`{"major":"1","minor":"35","gitVersion":"v1.35.0"}`))
		case "/healthz", "/readyz", "/livez":
			o.head(200)
			o.write([]byte("ok"))
		default:
			errNoResource().send(w, o)
		}
		return
	}

	k, ns, name, sub, ok := parsePath(r.URL.Path)
	if !ok {
		let := s.authorized(r, e)
		s.note(e)
		if !let {
			errUnauthorized().send(w, o)
			return
		}
		errNoResource().send(w, o)
		return
	}
	v := r.URL.Query()
	flag := func(n string) bool { return v.Get(n) == "true" || v.Get(n) == "1" }
	q := &query{kind: k, ns: ns, name: name, sub: sub, rv: v.Get("resourceVersion"),
		match: v.Get("resourceVersionMatch"), cont: v.Get("continue"),
		initial: flag("sendInitialEvents"), bookmarks: flag("allowWatchBookmarks")}
	q.limit, _ = strconv.Atoi(v.Get("limit"))
	sec, _ := strconv.Atoi(v.Get("timeoutSeconds"))
	q.timeout = time.Duration(sec) * time.Second
	q.partial = strings.Contains(r.Header.Get("Accept"),
		"as=PartialObjectMetadata")
	q.sel.ns = ns
	switch {
	case r.Method != "GET":
		q.verb = strings.ToLower(r.Method)
	case flag("watch"):
		q.verb = "watch"
	case name != "":
		q.verb = "get"
	default:
		q.verb = "list"
	}
	e.Verb, e.Resource, e.NS, e.Name, e.RV = q.verb, k.Plural, ns, name, q.rv
	e.Sub = sub
	e.Match, e.Initial, e.Limit, e.Continue = q.match, q.initial, q.limit,
		q.cont != ""
	e.Fields, e.Labels = v.Get("fieldSelector"), v.Get("labelSelector")
	e.Timeout, e.Partial, e.Bookmarks = sec, q.partial, q.bookmarks
	authorized := s.authorized(r, e)
	q.fault = s.faultFor(q)
	o.f = q.fault
	if q.fault != nil {
		e.Fault = q.fault.id
	}
	s.note(e)

	if !authorized {
		errUnauthorized().send(w, o)
		return
	}
	if s.instead(q, o) {
		return
	}
	var fail *failure
	var err error
	if q.sel.fields, err = parseTerms(e.Fields); err != nil {
		fail = errBad(err.Error())
	}
	q.sel.labels, _ = parseTerms(e.Labels)
	for _, t := range q.sel.fields {
		known := t.name == "metadata.name" || t.name == "metadata.namespace" ||
			(t.name == "type" && k.Plural == "secrets") ||
			(strings.HasPrefix(t.name, "spec.") && k.Plural == "services") ||
			(t.name == "status.phase" && k.Plural == "namespaces")
		if !known {
			fail = errBad(fmt.Sprintf("Unable to find %q that match label "+
				"selector %q, field selector %q: field label not supported: "+
				"%s", k.APIVersion()+", Resource="+k.Plural, e.Labels,
				e.Fields, t.name))
		}
	}
	if fail == nil {
		switch q.verb {
		case "watch":
			fail = s.watch(q, o)
		case "get":
			fail = s.get(q, o)
		case "list":
			fail = s.list(q, o)
		default:
			fail = s.change(q, o)
		}
	}
	if fail != nil {
		fail.send(w, o)
	}
}

func (s *Server) get(q *query, o *out) *failure {
	x := s.Store.Get(q.kind.Plural, q.ns, q.name)
	if x == nil {
		return errNotFound(q.kind, q.name)
	}
	o.w.Header().Set("Content-Type", "application/json")
	o.head(200)
	o.write(append(s.text(q, x, true), '\n'))
	return nil
}

// text of an object as this request wants it; counts Secrets sent in full.
func (s *Server) text(q *query, x *Object, typed bool) []byte {
	if q.partial {
		return x.partial()
	}
	if q.kind.Plural == "secrets" {
		s.mu.Lock()
		s.secrets[x.key()]++
		s.mu.Unlock()
	}
	return x.json(q.kind, typed)
}

// page is the rest of a paginated list.
type page struct {
	rv   uint64
	objs []*Object
	kind *Kind
}

// list answers a LIST.
func (s *Server) list(q *query, o *out) *failure {
	if q.initial {
		return errInvalidOptions("sendInitialEvents",
			"sendInitialEvents is forbidden for list")
	}
	var objs []*Object
	var rv uint64
	rest := int64(0)
	if q.cont != "" {
		if q.rv != "" && q.rv != "0" {
			return errBad("specifying resource version is not allowed when " +
				"using continue")
		}
		s.mu.Lock()
		p := s.pages[q.cont]
		s.mu.Unlock()
		if p == nil || p.kind != q.kind {
			if _, err := base64.RawURLEncoding.DecodeString(q.cont); err != nil {
				return errBad("continue key is not valid: " + err.Error())
			}
			return errContinueExpired(q.cont)
		}
		objs, rv = p.objs, p.rv
	} else {
		if q.match != "" && q.rv == "" {
			return errInvalidOptions("resourceVersionMatch",
				"resourceVersionMatch is forbidden unless resourceVersion "+
					"is provided")
		}
		var want uint64
		if q.rv != "" {
			n, err := strconv.ParseUint(q.rv, 10, 64)
			if err != nil {
				return errBad(fmt.Sprintf("Invalid value: %q: strconv."+
					"ParseUint: parsing %q: invalid syntax", q.rv, q.rv))
			}
			want = n
		}
		if f := s.fresh(want, o); f != nil {
			return f
		}
		var all []*Object
		all, rv = s.Store.All(q.kind.Plural, q.ns)
		if q.match == "Exact" && want < rv {
			s.mu.Lock()
			oldest := s.tables[q.kind.Plural].oldest
			s.mu.Unlock()
			if want < oldest {
				return errTooOld(want, oldest)
			}
			rv = want
		}
		objs = all[:0:0]
		for _, x := range all {
			if q.sel.match(x) {
				objs = append(objs, x)
			}
		}
	}
	token := ""
	// the watch cache does not paginate what resourceVersion "0" asks for
	if q.limit > 0 && len(objs) > q.limit && !(q.rv == "0" && q.match == "") {
		next := objs[q.limit:]
		objs = objs[:q.limit]
		rest = int64(len(next))
		s.mu.Lock()
		s.pageN++
		b, _ := json.Marshal(Map{"v": "meta.k8s.io/v1", "rv": rv,
			"start": next[0].key() + "\x00", "n": s.pageN})
		token = base64.RawURLEncoding.EncodeToString(b)
		s.pages[token] = &page{rv, next, q.kind}
		s.mu.Unlock()
	}
	s.sendList(q, o, objs, rv, token, rest)
	return nil
}

// ExpireTokens makes all continue tokens invalid.
func (s *Server) ExpireTokens() {
	s.mu.Lock()
	s.pages = map[string]*page{}
	s.mu.Unlock()
}

func (s *Server) sendList(q *query, o *out, objs []*Object, rv uint64,
	token string, rest int64) {
	kind, version := q.kind.Kind+"List", q.kind.APIVersion()
	if q.partial {
		kind, version = "PartialObjectMetadataList", "meta.k8s.io/v1"
	}
	meta := fmt.Sprintf(`{"resourceVersion":"%d"`, rv)
	if token != "" {
		meta += fmt.Sprintf(`,"continue":%q`, token)
		if len(q.sel.fields) == 0 && len(q.sel.labels) == 0 {
			meta += fmt.Sprintf(`,"remainingItemCount":%d`, rest)
		}
	}
	w := o.w
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache, private")

	var b bytes.Buffer
	put := func() {
		o.write(b.Bytes())
		b.Reset()
	}
	fmt.Fprintf(&b, `{"kind":%q,"apiVersion":%q,"metadata":%s},"items":[`,
		kind, version, meta)
	var gz *gzip.Writer
	for i, x := range objs {
		if i > 0 {
			b.WriteByte(',')
		}
		t := s.text(q, x, false)
		if q.fault != nil && q.fault.Odd {
			q.fault.hit()
			t = odd(t)
		}
		b.Write(t)
		if gz == nil && b.Len() > 128*1024 && o.n == 0 &&
			strings.Contains(o.r.Header.Get("Accept-Encoding"), "gzip") {
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Vary", "Accept-Encoding")
			o.head(200)
			gz, _ = gzip.NewWriterLevel(writer{o}, gzip.BestSpeed)
			put = func() {
				_, _ = gz.Write(b.Bytes())
				b.Reset()
			}
		}
		if b.Len() > 128*1024 {
			if gz == nil && o.n == 0 {
				o.head(200)
			}
			put()
		}
	}
	if gz == nil && o.n == 0 {
		o.head(200)
	}
	b.WriteString("]}\n")
	put()
	if gz != nil {
		_ = gz.Close()
	}
	o.flush()
}

type writer struct{ o *out }

func (w writer) Write(p []byte) (int, error) {
	w.o.write(p)
	return len(p), nil
}

// fresh waits until the store has reached a version, for a while.
func (s *Server) fresh(want uint64, o *out) *failure {
	end := time.Now().Add(s.TooLargeWait)
	for {
		s.Store.mu.Lock()
		rv, ch := s.Store.rv, s.Store.changed
		s.Store.mu.Unlock()
		if want <= rv {
			return nil
		}
		left := time.Until(end)
		if left <= 0 {
			return errTooLarge(want, rv)
		}
		select {
		case <-ch:
		case <-time.After(left):
		case <-o.r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
}

// watch is one open watch.
type watch struct {
	q    *query
	end  chan struct{}
	once sync.Once
	raw  chan []byte
}

func (w *watch) finish() {
	w.once.Do(func() { close(w.end) })
}

// EndWatches ends open watches of a resource ("": all) as a server does when
// their time is over.
func (s *Server) EndWatches(resource string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for w := range s.watching {
		if resource == "" || w.q.kind.Plural == resource {
			w.finish()
			n++
		}
	}
	return n
}

// Send writes raw bytes into open watches of a resource.
func (s *Server) Send(resource string, text string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for w := range s.watching {
		if resource == "" || w.q.kind.Plural == resource {
			select {
			case w.raw <- []byte(text):
				n++
			default:
			}
		}
	}
	return n
}

// Watching tells how many watches of a resource ("": all) are open.
func (s *Server) Watching(resource string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for w := range s.watching {
		if resource == "" || w.q.kind.Plural == resource {
			n++
		}
	}
	return n
}

func (o *out) fail(f *failure) {
	b, _ := json.Marshal(Map{"type": "ERROR", "object": f.status()})
	o.write(append(b, '\n'))
	o.flush()
}

// bookmark as the real server writes it: an empty object of the kind.
func (q *query) bookmark(rv uint64, end bool) []byte {
	meta := Map{"resourceVersion": strconv.FormatUint(rv, 10),
		"creationTimestamp": nil}
	if end {
		meta["annotations"] = Map{"k8s.io/initial-events-end": "true"}
	}
	m := Map{"kind": q.kind.Kind, "apiVersion": q.kind.APIVersion(),
		"metadata": meta}
	if q.partial {
		m["kind"], m["apiVersion"] = "PartialObjectMetadata", "meta.k8s.io/v1"
	} else {
		switch q.kind.Kind {
		case "Ingress":
			m["spec"], m["status"] = Map{}, Map{"loadBalancer": Map{}}
		case "Service":
			m["spec"], m["status"] = Map{}, Map{"loadBalancer": Map{}}
		case "EndpointSlice":
			m["addressType"], m["endpoints"], m["ports"] = "", nil, nil
		case "IngressClass":
			m["spec"] = Map{}
		}
	}
	b, _ := json.Marshal(m)
	return b
}

// watch answers a WATCH; a failure is answered as a status, all later ones are
// ERROR events, as in the real server.
func (s *Server) watch(q *query, o *out) *failure {
	if q.initial {
		if !s.WatchList {
			return errNoWatchList()
		}
		if q.match != "NotOlderThan" {
			return errInvalidOptions("resourceVersionMatch",
				"sendInitialEvents requires setting resourceVersionMatch to "+
					"NotOlderThan")
		}
	} else if q.match != "" {
		return errInvalidOptions("resourceVersionMatch",
			"resourceVersionMatch is forbidden for watch unless "+
				"sendInitialEvents is provided")
	}
	var want uint64
	if q.rv != "" {
		n, err := strconv.ParseUint(q.rv, 10, 64)
		if err != nil {
			return errBad(fmt.Sprintf("Invalid value: %q: strconv.ParseUint: "+
				"parsing %q: invalid syntax", q.rv, q.rv))
		}
		want = n
	}
	if q.name != "" {
		q.sel.fields = append(q.sel.fields, term{"metadata.name", q.name, "="})
	}
	if q.timeout == 0 {
		q.timeout = time.Duration(1800+rand.Intn(1800)) * time.Second
	}
	f := q.fault
	if f != nil && f.Timeout > 0 {
		f.hit()
		q.timeout = time.Duration(f.Timeout) * time.Millisecond
	}

	// what a client does when it has the header is after the beginning
	s.Store.mu.Lock()
	epoch := s.epoch
	s.Store.mu.Unlock()
	w := &watch{q: q, end: make(chan struct{}), raw: make(chan []byte, 64)}
	s.mu.Lock()
	s.watching[w] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.watching, w)
		s.mu.Unlock()
	}()

	o.w.Header().Set("Content-Type", "application/json")
	o.w.Header().Set("Cache-Control", "no-cache, private")
	o.head(200)
	o.dirty = true
	o.flush()

	if q.initial {
		if e := s.fresh(want, o); e != nil {
			o.fail(e)
			return nil
		}
	}

	// where to begin, and what stands there
	t := s.tables[q.kind.Plural]
	s.Store.mu.Lock()
	rv := s.rv
	var initial []*Object
	var pos int
	switch {
	case s.epoch != epoch:
		s.Store.mu.Unlock()
		o.end("")
	case q.initial || want == 0:
		initial = t.list(q.ns)
		pos = t.first + len(t.events)
	case want < t.oldest:
		oldest := t.oldest
		s.Store.mu.Unlock()
		o.fail(errTooOld(want, oldest))
		return nil
	default:
		n := len(t.events)
		for n > 0 && t.events[n-1].RV > want {
			n--
		}
		pos = t.first + n
	}
	s.Store.mu.Unlock()

	for _, x := range initial {
		if q.sel.match(x) {
			o.event("ADDED", s.text(q, x, true), nil)
		}
	}
	if q.initial && q.bookmarks {
		if f != nil && (f.NoEnd || f.NoBookmark) && f.alive() {
			f.hit()
		} else {
			o.event("BOOKMARK", q.bookmark(rv, true), nil)
		}
	}
	o.flush()
	s.follow(q, o, w, t, epoch, pos, want)
	return nil
}

func (s *Server) follow(q *query, o *out, w *watch, t *table, epoch, pos int,
	want uint64) {
	timeout := time.NewTimer(q.timeout)
	defer timeout.Stop()
	tick := time.NewTicker(s.BookmarkEvery)
	defer tick.Stop()
	sent := want
	for {
		s.Store.mu.Lock()
		if s.epoch != epoch {
			s.Store.mu.Unlock()
			o.end("")
		}
		rv, ch := s.rv, s.changed
		if pos < t.first {
			oldest := t.oldest
			s.Store.mu.Unlock()
			o.fail(errTooOld(sent, oldest))
			return
		}
		events := t.events[pos-t.first:]
		s.Store.mu.Unlock()

		for i := range events {
			s.show(q, o, &events[i])
			sent = events[i].RV
		}
		pos += len(events)
		o.flush()

		select {
		case <-ch:
		case b := <-w.raw:
			o.write(b)
			o.flush()
		case <-w.end:
			return
		case <-timeout.C:
			return
		case <-o.r.Context().Done():
			panic(http.ErrAbortHandler)
		case <-s.quit:
			panic(http.ErrAbortHandler)
		case <-tick.C:
			if !q.bookmarks || rv < want {
				continue
			}
			if q.fault != nil && q.fault.NoBookmark && q.fault.alive() {
				q.fault.hit()
				continue
			}
			s.Store.mu.Lock()
			same := s.rv == rv
			s.Store.mu.Unlock()
			if same {
				o.event("BOOKMARK", q.bookmark(rv, false), nil)
				o.flush()
			}
		}
	}
}

// show sends an event as the selector sees it.
func (s *Server) show(q *query, o *out, e *Event) {
	now := e.Type != "DELETED" && q.sel.match(e.Obj)
	before := e.Prev != nil && q.sel.match(e.Prev)
	typ := e.Type
	switch {
	case now && !before:
		typ = "ADDED"
	case now:
		typ = "MODIFIED"
	case before:
		typ = "DELETED"
	default:
		return
	}
	var old []byte
	if e.Prev != nil && q.fault != nil && q.fault.Old {
		old = e.Prev.json(q.kind, true)
	}
	o.event(typ, s.text(q, e.Obj, true), old)
}

func (s *Server) note(e *Request) {
	s.mu.Lock()
	s.log = append(s.log, e)
	s.mu.Unlock()
}

// Log gives copies of the entries from number "from" on.
func (s *Server) Log(from int) []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var l []Request
	for _, e := range s.log[from:] {
		c := Request{Time: e.Time, Method: e.Method, Verb: e.Verb,
			Resource: e.Resource, NS: e.NS, Name: e.Name, Sub: e.Sub, RV: e.RV,
			Match: e.Match, Initial: e.Initial, Bookmarks: e.Bookmarks,
			Timeout: e.Timeout, Limit: e.Limit, Continue: e.Continue,
			Fields: e.Fields, Labels: e.Labels, Partial: e.Partial,
			Proto: e.Proto, Agent: e.Agent, Token: e.Token, Cert: e.Cert,
			Fault: e.Fault}
		c.Status = int(atomic.LoadInt64(&e.status))
		c.Bytes = atomic.LoadInt64(&e.bytes)
		c.Done = atomic.LoadInt32(&e.done) != 0
		l = append(l, c)
	}
	return l
}

// LogLen is the number of entries.
func (s *Server) LogLen() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.log)
}

// Secrets tells how often each Secret ("ns/name") was sent in full.
func (s *Server) Secrets() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := map[string]int{}
	for k, n := range s.secrets {
		m[k] = n
	}
	return m
}
