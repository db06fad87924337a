package pods

import (
	"encoding/binary"
	"io"
	"net/http"
	"strconv"
)

// grpc answers any method, unary or streaming, by its own messages, each as
// soon as it came.  The metadata x-grpc-status asks for a status instead,
// x-grpc-reset for a reset of the stream after so many messages.
func (p *Pod) grpc(w http.ResponseWriter, r *http.Request, rec *Record) {
	h := w.Header()
	h.Set("Content-Type", "application/grpc")
	status := 0
	if n, err := strconv.Atoi(r.Header.Get("X-Grpc-Status")); err == nil {
		status = n
	}
	if status != 0 {
		h.Set("Grpc-Status", strconv.Itoa(status))
		h.Set("Grpc-Message", "asked for")
		w.WriteHeader(200)
		return
	}
	w.WriteHeader(200)
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
	defer func() {
		h.Set(http.TrailerPrefix+"Grpc-Status", strconv.Itoa(status))
		h.Set(http.TrailerPrefix+"X-Pod", p.Name)
	}()
	reset, _ := strconv.Atoi(r.Header.Get("X-Grpc-Reset"))
	for i := 1; ; i++ {
		var head [5]byte
		_, err := io.ReadFull(r.Body, head[:])
		if err == io.EOF {
			p.whole(rec)
			return
		}
		n := binary.BigEndian.Uint32(head[1:])
		if err != nil || n > 16<<20 {
			status = 8 // RESOURCE_EXHAUSTED
			return
		}
		m := make([]byte, n)
		if _, err = io.ReadFull(r.Body, m); err != nil {
			status = 1 // CANCELLED
			return
		}
		_, _ = rec.Bytes.Write(m)
		_, _ = w.Write(head[:])
		_, _ = w.Write(m)
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		if i == reset {
			panic(http.ErrAbortHandler)
		}
	}
}
