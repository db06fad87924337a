package pods

import (
	"net/http"
	"sync/atomic"
	"time"
)

// keep is how many records of requests a pod holds.
const keep = 4096

// Bytes counts what is written to it; it may be read meanwhile.
type Bytes int64

func (n *Bytes) Write(b []byte) (int, error) {
	atomic.AddInt64((*int64)(n), int64(len(b)))
	return len(b), nil
}

// Record of a request, first when it begins (its head was read), and once
// more at its end.
type Record struct {
	Pod    string    `json:"pod"`
	Time   time.Time `json:"time"`
	ID     string    `json:"id"` // X-Request-Id, or id of the query
	Method string    `json:"method"`
	URI    string    `json:"uri"`
	Bytes  Bytes     `json:"bytes"` // of the body, that arrived
	Whole  bool      `json:"whole"` // all of the body did
	Ended  bool      `json:"ended"` // the handler has returned
}

// Count of the requests of one method.
type Count struct {
	Begun int64 `json:"begun"`
	Whole int64 `json:"whole"`
	Bytes int64 `json:"bytes"`
}

// begin makes the record of a request.
func (p *Pod) begin(r *http.Request) *Record {
	rec := &Record{Pod: p.Name, Time: time.Now(), Method: r.Method,
		URI: r.RequestURI, ID: r.URL.Query().Get("id")}
	if rec.ID == "" {
		rec.ID = r.Header.Get("X-Request-Id")
	}
	p.mu.Lock()
	c := p.methods[r.Method]
	c.Begun++
	p.methods[r.Method] = c
	if len(p.records) < keep {
		p.records = append(p.records, rec)
	} else {
		p.records[p.seen%keep] = rec
	}
	p.seen++
	p.mu.Unlock()
	if p.Log != nil {
		p.Log(*rec)
	}
	return rec
}

// whole notes that all of the body arrived.
func (p *Pod) whole(rec *Record) {
	p.mu.Lock()
	rec.Whole = true
	p.mu.Unlock()
}

// end writes what became of it.
func (p *Pod) end(rec *Record) {
	p.mu.Lock()
	rec.Ended = true
	c := p.methods[rec.Method]
	c.Bytes += int64(rec.Bytes)
	if rec.Whole {
		c.Whole++
	}
	p.methods[rec.Method] = c
	last := *rec
	p.mu.Unlock()
	if p.Log != nil {
		p.Log(last)
	}
}

// Counts tells the requests so far by method.
func (p *Pod) Counts() map[string]Count {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := map[string]Count{}
	for k, v := range p.methods {
		m[k] = v
	}
	return m
}

// Records are the last requests; id, if not empty, picks those with it.
func (p *Pod) Records(id string) []Record {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := []Record{}
	for _, r := range p.records {
		if id == "" || r.ID == id {
			l = append(l, Record{Pod: r.Pod, Time: r.Time, ID: r.ID,
				Method: r.Method, URI: r.URI, Whole: r.Whole, Ended: r.Ended,
				Bytes: Bytes(atomic.LoadInt64((*int64)(&r.Bytes)))})
		}
	}
	return l
}
