package kubelet

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"strconv"
	"time"
)

// listen starts the node's HTTPS server, which the API server asks for logs.
func (n *node) listen() error {
	cert, err := selfSigned(n.Name)
	if err != nil {
		return err
	}
	ln, err := tls.Listen("tcp", net.JoinHostPort(n.Address,
		strconv.Itoa(serverPort)), &tls.Config{
		Certificates: []tls.Certificate{cert}})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter,
		_ *http.Request) {
		io.WriteString(w, "ok")
	})
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}",
		n.serveLogs)
	mux.HandleFunc("/exec/{namespace}/{pod}/{container}", n.serveExec)
	n.server = &http.Server{Handler: mux,
		ErrorLog: log.New(io.Discard, "", 0)}
	go n.server.Serve(ln)
	return nil
}

// serveLogs serves kubectl logs.
func (n *node) serveLogs(w http.ResponseWriter, r *http.Request) {
	if n.isLost() {
		panic(http.ErrAbortHandler)
	}
	l, err := n.findLog(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	q := r.URL.Query()
	o := logOptions{tail: -1, follow: isTrue(q.Get("follow")),
		timestamps: isTrue(q.Get("timestamps"))}
	for _, v := range []struct {
		name string
		set  func(string) error
	}{
		{"tailLines", func(s string) (err error) {
			o.tail, err = strconv.Atoi(s)
			return err
		}},
		{"limitBytes", func(s string) (err error) {
			o.limit, err = strconv.ParseInt(s, 10, 64)
			return err
		}},
		{"sinceSeconds", func(s string) error {
			n, err := strconv.Atoi(s)
			o.since = time.Now().Add(-time.Duration(n) * time.Second)
			return err
		}},
		{"sinceTime", func(s string) (err error) {
			o.since, err = time.Parse(time.RFC3339, s)
			return err
		}},
	} {
		if s := q.Get(v.name); s != "" {
			if err := v.set(s); err != nil {
				http.Error(w, v.name+": "+err.Error(), http.StatusBadRequest)
				return
			}
		}
	}
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(http.StatusOK)
	_ = l.read(r.Context(), w, o)
}

// findLog finds the log of the last run of a container, or of the one before.
func (n *node) findLog(r *http.Request) (*logFile, error) {
	p := n.k.find(r.PathValue("namespace"), r.PathValue("pod"))
	if p == nil || p.n != n {
		return nil, errors.New("no such pod here")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.container(r.PathValue("container"))
	if c == nil {
		return nil, errors.New("no such container")
	}
	last := c.run
	if last != nil && isTrue(r.URL.Query().Get("previous")) {
		last = last.previous
	}
	if last == nil || last.log == nil {
		return nil, errors.New("container " + c.c.Name + " has no such run")
	}
	return last.log, nil
}

func isTrue(s string) bool { return s == "true" || s == "1" }

func selfSigned(name string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	t := &x509.Certificate{SerialNumber: big.NewInt(1),
		Subject:   pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour),
		NotAfter:  time.Now().AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
