// Package proc waits for the end of processes, whoever started them.
package proc

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// Wait waits until a process has ended, and reaps it if it is a child of this
// process, be it as its subreaper.  It is an error if it takes longer than the
// limit.  p is of os.FindProcess, or was started and is waited for by nobody
// else; it is of no use after its end.
func Wait(p *os.Process, limit time.Duration) error {
	if errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone) {
		return nil
	}
	var ended bool
	var failed error
	err := p.WithHandle(func(fd uintptr) { ended, failed = readable(fd, limit) })
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	if err = errors.Join(err, failed); err != nil {
		return fmt.Errorf("waiting for process %d: %w", p.Pid, err)
	}
	if !ended {
		return fmt.Errorf("process %d does not end in %v", p.Pid, limit)
	}
	_, _ = p.Wait() // another one's child is reaped by that one
	return nil
}

// readable waits for input of a file, which for a process is its end.
func readable(fd uintptr, limit time.Duration) (bool, error) {
	type pollfd struct {
		fd              int32
		events, revents int16
	}
	const in = 1
	for end := time.Now().Add(limit); ; {
		p := pollfd{fd: int32(fd), events: in}
		left := syscall.NsecToTimespec(int64(max(0, time.Until(end))))
		n, _, err := syscall.Syscall6(syscall.SYS_PPOLL,
			uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&left)),
			0, 0, 0)
		if err == syscall.EINTR {
			continue
		}
		if err != 0 {
			return false, err
		}
		return n > 0, nil
	}
}

// Adopt makes this process the parent of what its descendants leave behind,
// so that Wait can reap it.
func Adopt() error {
	const subreaper = 36
	if _, _, err := syscall.RawSyscall(syscall.SYS_PRCTL, subreaper, 1,
		0); err != 0 {
		return err
	}
	return nil
}
