package kubelet

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

const stampFormat = "2006-01-02T15:04:05.000000000Z"

// logFile is what a run wrote: lines with their time, the stream, and F for a
// whole line or P for a part, as container runtimes keep them.
type logFile struct {
	path string

	mu     sync.Mutex
	f      *os.File
	more   chan struct{} // closed when there is more, or the end
	closed bool
}

func newLog(path string) (*logFile, error) {
	f, err := os.Create(path)
	return &logFile{path: path, f: f, more: make(chan struct{})}, err
}

// copy writes the lines of a stream until it ends.
func (l *logFile) copy(stream string, in *os.File) {
	defer in.Close()
	r := bufio.NewReaderSize(in, 64<<10)
	var out []byte
	for {
		line, err := r.ReadSlice('\n')
		if len(line) > 0 {
			part := "F"
			if line[len(line)-1] != '\n' {
				part = "P"
			}
			out = time.Now().UTC().AppendFormat(out, stampFormat)
			out = append(out, " "+stream+" "+part+" "...)
			out = append(append(out, bytes.TrimSuffix(line, []byte("\n"))...),
				'\n')
		}
		if len(out) > 0 && (r.Buffered() == 0 || len(out) > 1<<20) {
			l.write(out)
			out = out[:0]
		}
		if err != nil && err != bufio.ErrBufferFull {
			return
		}
	}
}

func (l *logFile) write(b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.f.Write(b)
	close(l.more)
	l.more = make(chan struct{})
}

func (l *logFile) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.f.Close()
	close(l.more)
}

// next is closed when there is more to read; end: there will not be.
func (l *logFile) next() (more <-chan struct{}, end bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.more, l.closed
}

// logOptions are those of kubectl logs.
type logOptions struct {
	follow     bool
	timestamps bool
	tail       int // lines, -1: all
	limit      int64
	since      time.Time
}

// read writes the log to w, and what comes, if it is to follow.
func (l *logFile) read(ctx context.Context, w io.Writer, o logOptions) error {
	f, err := os.Open(l.path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := seekTail(f, o.tail); err != nil {
		return err
	}
	if o.limit > 0 {
		w = &limited{w, o.limit}
	}
	r := bufio.NewReaderSize(f, 64<<10)
	var line []byte
	for ctx.Err() == nil {
		more, end := l.next()
		part, err := r.ReadBytes('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			if err := o.print(w, line); err != nil {
				return err
			}
			line = line[:0]
		case err != io.EOF:
			return err
		case end || !o.follow:
			return nil
		default:
			if w, ok := w.(interface{ Flush() }); ok {
				w.Flush()
			}
			select {
			case <-more:
			case <-ctx.Done():
			}
		}
	}
	return nil
}

func (o *logOptions) print(w io.Writer, line []byte) error {
	fields := bytes.SplitN(line, []byte(" "), 4)
	if len(fields) < 4 {
		return fmt.Errorf("log line %q", line)
	}
	if !o.since.IsZero() {
		t, err := time.Parse(time.RFC3339Nano, string(fields[0]))
		if err != nil {
			return err
		}
		if t.Before(o.since) {
			return nil
		}
	}
	text := fields[3]
	if fields[2][0] == 'P' {
		text = text[:len(text)-1]
	}
	if o.timestamps {
		text = fmt.Appendf(nil, "%s %s", fields[0], text)
	}
	_, err := w.Write(text)
	return err
}

// tail is the text of the last lines.
func (l *logFile) tail(lines, bytesMax int) []byte {
	var b bytes.Buffer
	_ = l.read(context.Background(), &b, logOptions{tail: lines})
	return b.Bytes()[max(0, b.Len()-bytesMax):]
}

// seekTail goes to the beginning of the last n lines.
func seekTail(f *os.File, n int) error {
	if n < 0 {
		return nil
	}
	pos, err := f.Seek(0, io.SeekEnd)
	if err != nil || n == 0 {
		return err
	}
	buf := make([]byte, 64<<10)
	for n++; pos > 0; {
		size := min(pos, int64(len(buf)))
		pos -= size
		if _, err := f.ReadAt(buf[:size], pos); err != nil {
			return err
		}
		for i := size - 1; i >= 0; i-- {
			if buf[i] != '\n' {
				continue
			}
			if n--; n == 0 {
				_, err := f.Seek(pos+i+1, io.SeekStart)
				return err
			}
		}
	}
	_, err = f.Seek(0, io.SeekStart)
	return err
}

// limited writes n bytes and then fails.
type limited struct {
	w io.Writer
	n int64
}

func (l *limited) Write(b []byte) (int, error) {
	if int64(len(b)) > l.n {
		b = b[:l.n]
		_, _ = l.w.Write(b)
		l.n = 0
		return len(b), io.ErrShortWrite
	}
	l.n -= int64(len(b))
	return l.w.Write(b)
}
