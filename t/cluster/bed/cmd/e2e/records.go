package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"ngx_k8s_test/internal/pods"
)

// records are what the pods themselves say of the requests that reached them.
type records struct {
	mu   sync.Mutex
	m    map[string]pods.Record // by the load's id
	pods int                    // whose logs were read
}

// record follows the logs of all pods of the test from their readiness on.
func (e *env) record() {
	r := &records{m: map[string]pods.Record{}}
	e.records = r
	e.track.onReady(func(p life) {
		s, err := e.Client.CoreV1().Pods(p.ns).GetLogs(p.name,
			&corev1.PodLogOptions{Follow: true}).Stream(e.ctx)
		if err != nil {
			e.fail("log of %s: %v", p.name, err)
			return
		}
		defer s.Close()
		r.mu.Lock()
		r.pods++
		r.mu.Unlock()
		for in := bufio.NewScanner(s); in.Scan(); {
			var x pods.Record
			if json.Unmarshal(in.Bytes(), &x) == nil && x.ID != "" {
				r.mu.Lock()
				r.m[x.ID] = x
				r.mu.Unlock()
			}
		}
	})
}

// of tells what pods say of a request.
func (r *records) of(id string) string {
	if r == nil {
		return ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	x, ok := r.m[id]
	if !ok {
		return "; no pod has read it"
	}
	return fmt.Sprintf("; pod %s has read %d bytes of the body", x.Pod, x.Bytes)
}
