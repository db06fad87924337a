package main

import (
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"ngx_k8s_test/internal/pods"
)

// probe answers by a switch, and sets it where the query has "set".
func probe(on *atomic.Bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if v, err := strconv.ParseBool(r.URL.Query().Get("set")); err == nil {
			on.Store(v)
			return
		}
		if !on.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// control answers what is under /-/, and hands the rest to the pod.
func (b *backend) control(set *pods.Set) http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("/-/ready", probe(&b.ready))
	m.HandleFunc("/-/live", probe(&b.live))
	m.HandleFunc("/-/pod", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, map[string]any{"pod": b.pod.Name,
			"namespace": b.pod.Namespace, "service": b.pod.Service,
			"ports": b.addrs, "ready": b.ready.Load(), "live": b.live.Load(),
			"served": b.pod.Served(), "inFlight": b.pod.InFlight(),
			"opened": b.pod.Opened(), "conns": b.pod.Conns(),
			"up": time.Since(b.started).Seconds()})
	})
	m.HandleFunc("/-/counts", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, b.pod.Counts())
	})
	m.HandleFunc("/-/requests", func(w http.ResponseWriter, r *http.Request) {
		reply(w, b.pod.Records(r.URL.Query().Get("id")))
	})
	m.HandleFunc("/-/defaults", func(_ http.ResponseWriter, r *http.Request) {
		b.pod.SetDefaults(r.URL.Query())
	})
	m.HandleFunc("/-/release", func(http.ResponseWriter, *http.Request) {
		set.Release()
	})
	m.HandleFunc("/-/exit", func(_ http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.URL.Query().Get("code"))
		os.Exit(code)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.URL.Path) > 3 && r.URL.Path[:3] == "/-/" {
			m.ServeHTTP(w, r)
			return
		}
		b.pod.ServeHTTP(w, r)
	})
}
