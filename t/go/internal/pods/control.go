package pods

import (
	"encoding/json"
	"net/http"
)

// Control is the handler of the control port: /start with Options, /stop with
// {"name", "drain"}, /release, /pods.
func (s *Set) Control() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("/start", func(w http.ResponseWriter, r *http.Request) {
		var o Options
		err := json.NewDecoder(r.Body).Decode(&o)
		var p *Pod
		if err == nil {
			p, err = s.Start(o)
		}
		if err != nil {
			http.Error(w, err.Error(), 400)
			return
		}
		_ = json.NewEncoder(w).Encode(p.Options)
	})
	m.HandleFunc("/stop", func(w http.ResponseWriter, r *http.Request) {
		var o struct {
			Name  string
			Drain bool
		}
		if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
			http.Error(w, err.Error(), 400)
			return
		}
		s.Stop(o.Name, o.Drain)
	})
	m.HandleFunc("/release", func(http.ResponseWriter, *http.Request) {
		s.Release()
	})
	m.HandleFunc("/pods", func(w http.ResponseWriter, r *http.Request) {
		l := []map[string]interface{}{}
		s.mu.Lock()
		for _, p := range s.pods {
			l = append(l, map[string]interface{}{"name": p.Name,
				"service": p.Service, "addr": p.Addr, "served": p.Served(),
				"opened": p.Opened(), "inFlight": p.InFlight()})
		}
		s.mu.Unlock()
		_ = json.NewEncoder(w).Encode(l)
	})
	return m
}
