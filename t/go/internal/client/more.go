package client

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// downloads asks again and again for an answer that comes slowly, and counts
// its bytes.
func (l *Load) downloads() {
	for !l.rest(20 * time.Millisecond) {
		t := l.target()
		k, err := l.dial()
		if err == nil {
			err = l.download(k, t)
			_ = k.Close()
		}
		if err != nil {
			l.failed("download", k, t, err.Error())
			continue
		}
		l.mu.Lock()
		l.r.Downloads++
		l.mu.Unlock()
	}
}

func (l *Load) download(k *link, t Target) error {
	judge := l.judge(t)
	k.id = l.id()
	_ = k.SetDeadline(time.Now().Add(l.c.Timeout))
	fmt.Fprintf(k, "GET %s HTTP/1.1\r\nHost: %s\r\nX-Request-Id: %s\r\n"+
		"Connection: close\r\n\r\n", l.c.DownloadPath, t.Host, k.id)
	resp, err := http.ReadResponse(k.r, nil)
	if err != nil {
		return err
	}
	k.pid, _ = strconv.Atoi(resp.Header.Get("X-Worker-Pid"))
	k.pod = resp.Header.Get("X-Pod")
	n := int64(0)
	for {
		_ = k.SetDeadline(time.Now().Add(l.c.Timeout))
		var some int64
		some, err = io.CopyN(io.Discard, resp.Body, 1024)
		n += some
		if err != nil {
			break
		}
	}
	bad := ""
	switch svc := resp.Header.Get("X-Service"); {
	case svc != "" && svc != t.Service:
		bad = fmt.Sprintf("foreign: a pod of %s answered", svc)
	case resp.StatusCode != 200:
		bad = fmt.Sprintf("status %d", resp.StatusCode)
	case err != io.EOF:
		bad = fmt.Sprintf("after %d bytes: %v", n, err)
	case n != int64(l.c.DownloadSize):
		bad = fmt.Sprintf("%d bytes, not %d", n, l.c.DownloadSize)
	}
	if bad = l.verdict(resp, t, bad, judge); bad != "" {
		return errors.New(bad)
	}
	return nil
}

// handshakes opens connections with TLS, each for one request.
func (l *Load) handshakes() {
	for !l.rest(l.c.HandPause) {
		t := l.target()
		if err := l.handshake(t); err != nil {
			l.failed("handshake", nil, t, err.Error())
			continue
		}
		l.mu.Lock()
		l.r.Handshakes++
		l.mu.Unlock()
	}
}

func (l *Load) handshake(t Target) error {
	judge := l.judge(t)
	conf := l.c.TLS.Clone()
	conf.ServerName = t.Host
	d := &net.Dialer{Timeout: l.c.Timeout}
	c, err := tls.DialWithDialer(d, "tcp", l.c.TLSAddr, conf)
	if err != nil {
		return err
	}
	defer c.Close()
	if l.c.Peer != nil {
		l.c.Peer(t, c.ConnectionState().PeerCertificates[0])
	}
	k := &link{Conn: c, r: bufio.NewReader(c), id: l.id()}
	resp, text, err := exchange(k, "GET", t, "", l.c.Timeout)
	if err != nil {
		return err
	}
	if bad := l.verdict(resp, t, check(resp, text, "GET", t, 0),
		judge); bad != "" {
		return errors.New(bad)
	}
	return nil
}
