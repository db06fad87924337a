package api

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// Counters sums the log up.
func (s *Server) Counters() Map {
	lists, watches, gets, bytes := Map{}, Map{}, Map{}, Map{}
	inc := func(m Map, k string, n int64) {
		v, _ := m[k].(int64)
		m[k] = v + n
	}
	for _, e := range s.Log(0) {
		if e.Resource == "" {
			continue
		}
		switch e.Verb {
		case "list":
			inc(lists, e.Resource, 1)
		case "watch":
			inc(watches, e.Resource, 1)
		case "get":
			inc(gets, e.Resource, 1)
		}
		inc(bytes, e.Resource, e.Bytes)
	}
	faults := []Map{}
	s.mu.Lock()
	for _, f := range s.faults {
		faults = append(faults, Map{"id": f.id, "fired": f.Fired(), "fault": f})
	}
	conns, goaways := len(s.conns), s.goaways
	s.mu.Unlock()
	full := 0
	for _, n := range s.Secrets() {
		full += n
	}
	return Map{"lists": lists, "watches": watches, "gets": gets,
		"bytes": bytes, "faults": faults, "connections": conns,
		"accepted": atomic.LoadInt64(&s.accepted), "goaways": goaways,
		"watching": s.Watching(""), "secretsInFull": full,
		"secrets": s.Secrets(), "resourceVersion": s.RV()}
}

// Control is the handler of the control port.
func (s *Server) Control() http.Handler {
	m := http.NewServeMux()
	on := func(path string, f func(body []byte) (interface{}, error)) {
		m.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(io.LimitReader(r.Body, 64<<20))
			v, err := f(body)
			w.Header().Set("Content-Type", "application/json")
			if err != nil {
				w.WriteHeader(400)
				v = Map{"error": err.Error()}
			}
			if v == nil {
				v = Map{}
			}
			_ = json.NewEncoder(w).Encode(v)
		})
	}
	ok := func(f func(body []byte) error) func([]byte) (interface{}, error) {
		return func(b []byte) (interface{}, error) { return nil, f(b) }
	}
	type args struct {
		Name, Resource, Namespace, Text string
		Tokens                          []string
		Seconds                         float64
		Reset, All                      bool
		N                               uint64
		ID, From                        int
	}
	parse := func(b []byte) (a args, err error) {
		if len(b) > 0 {
			err = json.Unmarshal(b, &a)
		}
		return a, err
	}
	with := func(f func(a args) interface{}) func([]byte) (interface{}, error) {
		return func(b []byte) (interface{}, error) {
			a, err := parse(b)
			if err != nil {
				return nil, err
			}
			return f(a), nil
		}
	}

	// objects: {"kind": ..., "metadata": ...}, or an array of them
	on("/put", ok(func(b []byte) error {
		var l []Map
		if len(b) > 0 && b[0] == '[' {
			if err := json.Unmarshal(b, &l); err != nil {
				return err
			}
		} else {
			var one Map
			if err := json.Unmarshal(b, &one); err != nil {
				return err
			}
			l = []Map{one}
		}
		for _, o := range l {
			p := ""
			for _, k := range Kinds {
				if o["kind"] == k.Kind {
					p = k.Plural
				}
			}
			if p == "" {
				return fmt.Errorf("unknown kind %v", o["kind"])
			}
			if _, err := s.write(p, o, "put"); err != nil {
				return err
			}
		}
		return nil
	}))
	on("/delete", with(func(a args) interface{} {
		_, err := s.Delete(a.Resource, a.Namespace, a.Name)
		return Map{"deleted": err == nil}
	}))
	on("/gen", ok(func(b []byte) error {
		var g Gen
		if err := json.Unmarshal(b, &g); err != nil {
			return err
		}
		s.Generate(g)
		return nil
	}))
	on("/fault", func(b []byte) (interface{}, error) {
		var f Fault
		d := json.NewDecoder(strings.NewReader(string(b)))
		d.DisallowUnknownFields()
		if err := d.Decode(&f); err != nil {
			return nil, err
		}
		return Map{"id": s.Inject(f).id}, nil
	})
	on("/clear", with(func(a args) interface{} {
		s.mu.Lock()
		var f *Fault
		for _, x := range s.faults {
			if x.id == a.ID {
				f = x
			}
		}
		s.mu.Unlock()
		if a.ID == 0 || f != nil {
			s.Clear(f)
		}
		return nil
	}))
	on("/down", with(func(a args) interface{} {
		s.Down()
		if a.Seconds > 0 {
			time.AfterFunc(time.Duration(a.Seconds*float64(time.Second)),
				func() { _ = s.Up() })
		}
		return nil
	}))
	on("/up", ok(func([]byte) error { return s.Up() }))
	on("/cut", with(func(a args) interface{} {
		return Map{"connections": s.Cut(a.Reset)}
	}))
	on("/blackhole", with(func(a args) interface{} {
		return Map{"connections": s.Blackhole(a.All)}
	}))
	on("/unhole", with(func(args) interface{} { s.Unhole(); return nil }))
	on("/goaway", with(func(args) interface{} { s.Goaway(); return nil }))
	on("/end", with(func(a args) interface{} {
		return Map{"watches": s.EndWatches(a.Resource)}
	}))
	on("/send", with(func(a args) interface{} {
		return Map{"watches": s.Send(a.Resource, a.Text)}
	}))
	on("/tokens", with(func(a args) interface{} {
		s.SetTokens(a.Tokens...)
		return nil
	}))
	on("/compact", with(func(args) interface{} { s.Compact(); return nil }))
	on("/bump", with(func(a args) interface{} { s.Bump(a.N); return nil }))
	on("/expire", with(func(args) interface{} { s.ExpireTokens(); return nil }))
	on("/snapshot", with(func(a args) interface{} {
		s.Snapshot(a.Name)
		return nil
	}))
	on("/restore", with(func(a args) interface{} {
		return Map{"restored": s.Restore(a.Name)}
	}))
	on("/counters", with(func(args) interface{} { return s.Counters() }))
	on("/log", with(func(a args) interface{} { return s.Log(a.From) }))
	return m
}
