// Package api is a fake kube-apiserver for tests: the few resources that an
// Ingress controller reads and writes, with the list and watch rules of the real one, and
// faults on demand.
package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Map is a JSON object.
type Map = map[string]interface{}

// Kind says what is known of a resource.
type Kind struct {
	Group, Version, Plural, Kind string
	Namespaced                   bool
}

// APIVersion as objects write it.
func (k *Kind) APIVersion() string {
	if k.Group == "" {
		return k.Version
	}
	return k.Group + "/" + k.Version
}

// resource as error texts write it.
func (k *Kind) resource() string {
	if k.Group == "" {
		return k.Plural
	}
	return k.Plural + "." + k.Group
}

// Kinds are all resources that are served.
var Kinds = []*Kind{
	{"networking.k8s.io", "v1", "ingresses", "Ingress", true},
	{"networking.k8s.io", "v1", "ingressclasses", "IngressClass", false},
	{"", "v1", "services", "Service", true},
	{"", "v1", "secrets", "Secret", true},
	{"", "v1", "configmaps", "ConfigMap", true},
	{"", "v1", "namespaces", "Namespace", false},
	{"discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", true},
	{"coordination.k8s.io", "v1", "leases", "Lease", true},
	{"", "v1", "events", "Event", true},
	{"", "v1", "pods", "Pod", true},
	{"", "v1", "nodes", "Node", false},
}

// KindOf finds a kind by its plural name.
func KindOf(plural string) *Kind {
	for _, k := range Kinds {
		if k.Plural == plural {
			return k
		}
	}
	return nil
}

// Object is immutable once it is stored.
type Object struct {
	M    Map
	RV   uint64
	NS   string
	Name string
	body []byte // JSON without kind and apiVersion; nil: made when needed
}

func (o *Object) key() string {
	return o.NS + "/" + o.Name
}

// json gives the object as text, with its type unless it stands in a list.
func (o *Object) json(k *Kind, typed bool) []byte {
	b := o.body
	if b == nil {
		b = o.marshal()
	}
	if !typed {
		return b
	}
	head := fmt.Sprintf(`{"kind":%q,"apiVersion":%q,`, k.Kind, k.APIVersion())
	return append([]byte(head), b[1:]...)
}

// Nameless is an annotation of objects whose name is not sent.
const Nameless = "fake/nameless"

// meta is metadata as they are sent.
func (o *Object) meta() Map {
	m, _ := o.M["metadata"].(Map)
	if o.field("metadata", "annotations", Nameless) != "" {
		m = maps.Clone(m)
		delete(m, "name")
	}
	return m
}

func (o *Object) marshal() []byte {
	m := o.M
	if o.field("metadata", "annotations", Nameless) != "" {
		m = maps.Clone(m)
		m["metadata"] = o.meta()
	}
	b, _ := json.Marshal(m)
	return b
}

// partial gives it as PartialObjectMetadata.
func (o *Object) partial() []byte {
	b, _ := json.Marshal(o.meta())
	return append(append([]byte(`{"kind":"PartialObjectMetadata",`+
		`"apiVersion":"meta.k8s.io/v1","metadata":`), b...), '}')
}

// field gives a string at a path, "" where there is none.
func (o *Object) field(path ...string) string {
	var v interface{} = o.M
	for _, p := range path {
		m, ok := v.(Map)
		if !ok {
			return ""
		}
		v = m[p]
	}
	s, _ := v.(string)
	return s
}

// Event is one change, as the watch cache keeps it.
type Event struct {
	Type      string
	RV        uint64
	Obj, Prev *Object
}

type table struct {
	kind   *Kind
	objs   map[string]*Object
	events []Event
	first  int    // number of events[0] since the start
	oldest uint64 // changes up to this resourceVersion are forgotten
}

type image struct {
	rv   uint64
	objs map[string]map[string]*Object
}

// Store holds the objects.  All methods may be called from any goroutine.
type Store struct {
	mu      sync.Mutex
	rv      uint64
	uid     uint64
	epoch   int
	tables  map[string]*table
	changed chan struct{}
	images  map[string]image
	now     func() time.Time
	// History is how many changes of a kind are remembered for watches.
	History int
}

// NewStore makes an empty one.
func NewStore() *Store {
	s := &Store{rv: 1000, tables: map[string]*table{}, now: time.Now,
		changed: make(chan struct{}), images: map[string]image{},
		History: 20000}
	for _, k := range Kinds {
		s.tables[k.Plural] = &table{kind: k, objs: map[string]*Object{},
			oldest: s.rv}
	}
	return s
}

// Errors of the store; the server turns them into Status objects.
var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("exists")
	ErrConflict = errors.New("conflict")
)

func (s *Store) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Store) add(t *table, e Event) {
	t.events = append(t.events, e)
	if len(t.events) > s.History+s.History/4 {
		n := len(t.events) - s.History
		t.oldest = t.events[n-1].RV
		t.events = append([]Event(nil), t.events[n:]...)
		t.first += n
	}
}

func clone(m Map) Map {
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	var c Map
	_ = json.Unmarshal(b, &c)
	return c
}

// Put creates or replaces an object and returns it as stored.  The caller's
// map is not kept.
func (s *Store) Put(plural string, m Map) *Object {
	o, err := s.write(plural, clone(m), "put")
	if err != nil {
		panic(fmt.Sprintf("%s: %v", plural, err))
	}
	return o
}

// write keeps m: it must not be changed afterwards.
func (s *Store) write(plural string, m Map, how string) (*Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writeLocked(plural, m, how, false)
}

func (s *Store) writeLocked(plural string, m Map, how string, big bool) (
	*Object, error) {
	t := s.tables[plural]
	meta, _ := m["metadata"].(Map)
	if meta == nil {
		return nil, errors.New("no metadata")
	}
	delete(m, "kind")
	delete(m, "apiVersion")
	name, _ := meta["name"].(string)
	ns, _ := meta["namespace"].(string)
	if name == "" || (ns == "") == t.kind.Namespaced {
		return nil, errors.New("no usable name")
	}
	o := &Object{M: m, NS: ns, Name: name}
	prev := t.objs[o.key()]

	switch {
	case how == "create" && prev != nil:
		return nil, ErrExists
	case how == "update" && prev == nil:
		return nil, ErrNotFound
	}
	if v, _ := meta["resourceVersion"].(string); how == "update" && v != "" &&
		v != strconv.FormatUint(prev.RV, 10) {
		return nil, ErrConflict
	}

	s.rv++
	o.RV = s.rv
	meta["resourceVersion"] = strconv.FormatUint(o.RV, 10)
	if prev != nil {
		old := prev.M["metadata"].(Map)
		for _, f := range []string{"uid", "creationTimestamp"} {
			if how == "update" || meta[f] == nil {
				meta[f] = old[f]
			}
		}
	}
	if meta["uid"] == nil {
		s.uid++
		meta["uid"] = fmt.Sprintf("00000000-0000-4000-8000-%012x", s.uid)
	}
	if meta["creationTimestamp"] == nil {
		meta["creationTimestamp"] = s.now().UTC().Format(time.RFC3339)
	}
	if !big {
		o.body = o.marshal()
	}

	t.objs[o.key()] = o
	typ := "ADDED"
	if prev != nil {
		typ = "MODIFIED"
	}
	s.add(t, Event{typ, o.RV, o, prev})
	s.wake()
	return o, nil
}

// Delete removes an object.
func (s *Store) Delete(plural, ns, name string) (*Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tables[plural]
	prev := t.objs[ns+"/"+name]
	if prev == nil {
		return nil, ErrNotFound
	}
	delete(t.objs, prev.key())
	s.rv++
	// the event shows the last state with the resourceVersion of the delete
	m := Map{}
	for k, v := range prev.M {
		m[k] = v
	}
	meta := Map{}
	for k, v := range prev.M["metadata"].(Map) {
		meta[k] = v
	}
	meta["resourceVersion"] = strconv.FormatUint(s.rv, 10)
	m["metadata"] = meta
	o := &Object{M: m, RV: s.rv, NS: ns, Name: name}
	s.add(t, Event{"DELETED", s.rv, o, prev})
	s.wake()
	return prev, nil
}

// Get finds an object, nil when there is none.
func (s *Store) Get(plural, ns, name string) *Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tables[plural].objs[ns+"/"+name]
}

// All gives the objects of a kind in key order and the store's
// resourceVersion.
func (s *Store) All(plural, ns string) ([]*Object, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tables[plural].list(ns), s.rv
}

func (t *table) list(ns string) []*Object {
	l := make([]*Object, 0, len(t.objs))
	for _, o := range t.objs {
		if ns == "" || o.NS == ns {
			l = append(l, o)
		}
	}
	sort.Slice(l, func(i, j int) bool { return l[i].key() < l[j].key() })
	return l
}

// RV is the current resourceVersion.
func (s *Store) RV() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rv
}

// Compact forgets all changes so far: a watch from before now is answered
// with 410.
func (s *Store) Compact() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tables {
		t.first += len(t.events)
		t.events = nil
		t.oldest = s.rv
	}
	s.rv++ // so that a watch from the last version seen is too old, too
	for _, t := range s.tables {
		t.oldest = s.rv
	}
	s.wake()
}

// Bump raises the resourceVersion without a change of an object served here.
func (s *Store) Bump(n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rv += n
	s.wake()
}

// Snapshot remembers the present state under a name.
func (s *Store) Snapshot(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	im := image{rv: s.rv, objs: map[string]map[string]*Object{}}
	for p, t := range s.tables {
		c := make(map[string]*Object, len(t.objs))
		for k, o := range t.objs {
			c[k] = o
		}
		im.objs[p] = c
	}
	s.images[name] = im
}

// Restore goes back to a remembered state, resourceVersion included, as a
// restored etcd does.  Watches end.
func (s *Store) Restore(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	im, ok := s.images[name]
	if !ok {
		return false
	}
	s.rv = im.rv
	s.epoch++
	for p, t := range s.tables {
		t.objs = map[string]*Object{}
		for k, o := range im.objs[p] {
			t.objs[k] = o
		}
		t.first += len(t.events)
		t.events = nil
		t.oldest = s.rv
	}
	s.wake()
	return true
}

// selector of objects: fields and labels.
type selector struct {
	ns     string
	fields []term
	labels []term
}

type term struct {
	name, value string
	op          string // "=", "!=", "exists", "absent"
}

func parseTerms(text string) ([]term, error) {
	var l []term
	if text == "" {
		return nil, nil
	}
	for _, p := range strings.Split(text, ",") {
		p = strings.TrimSpace(p)
		switch {
		case strings.Contains(p, "!="):
			f := strings.SplitN(p, "!=", 2)
			l = append(l, term{f[0], f[1], "!="})
		case strings.Contains(p, "=="):
			f := strings.SplitN(p, "==", 2)
			l = append(l, term{f[0], f[1], "="})
		case strings.Contains(p, "="):
			f := strings.SplitN(p, "=", 2)
			l = append(l, term{f[0], f[1], "="})
		case strings.HasPrefix(p, "!"):
			l = append(l, term{p[1:], "", "absent"})
		default:
			l = append(l, term{p, "", "exists"})
		}
	}
	return l, nil
}

func (x *selector) match(o *Object) bool {
	if o == nil || (x.ns != "" && o.NS != x.ns) {
		return false
	}
	for _, t := range x.fields {
		v := ""
		switch t.name {
		case "metadata.name":
			v = o.Name
		case "metadata.namespace":
			v = o.NS
		default:
			v = o.field(strings.Split(t.name, ".")...)
		}
		if (v == t.value) != (t.op == "=") {
			return false
		}
	}
	labels, _ := o.M["metadata"].(Map)["labels"].(Map)
	for _, t := range x.labels {
		v, ok := labels[t.name].(string)
		switch t.op {
		case "=":
			ok = ok && v == t.value
		case "!=":
			ok = !ok || v != t.value
		case "absent":
			ok = !ok
		}
		if !ok {
			return false
		}
	}
	return true
}
