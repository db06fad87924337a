package netns

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Pod is the network namespace of a pod.
type Pod struct {
	Address string
	link    string
	mac     string
	file    *os.File
	closed  sync.Once
}

// NewPod makes a network namespace with this address, which all of the bed
// reaches.  Close it to take it away.
func NewPod(address string) (*Pod, error) {
	a, err := netip.ParseAddr(address)
	if err != nil || !a.Is4() {
		return nil, fmt.Errorf("pod address %q", address)
	}
	b := a.As4()
	p := &Pod{Address: address,
		link: fmt.Sprintf("p%d.%d.%d.%d", b[0], b[1], b[2], b[3])}
	if p.file, err = newNamespace(); err != nil {
		return nil, err
	}
	// the node's side; an address has always the same hardware address, so
	// that nobody remembers an older one
	p.mac = fmt.Sprintf("02:00:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3])
	lines := []string{
		"link add " + p.link + " type veth peer name eth0 address " + p.mac +
			" netns /proc/self/fd/3",
		"link set " + p.link + " up",
		"route replace " + address + "/32 dev " + p.link + " src " + Node}
	c := exec.Command("ip", "-batch", "-")
	c.Stdin = strings.NewReader(strings.Join(lines, "\n"))
	c.ExtraFiles = []*os.File{p.file}
	err = run(c, lines)
	if err == nil {
		err = p.Do(func() error {
			return IP("link set lo up", "addr add "+address+"/32 dev eth0",
				"link set eth0 up",
				"route add default via "+Node+" dev eth0 onlink")
		})
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Close takes the pod off the network: its interfaces go at once, also under
// processes that still run.
func (p *Pod) Close() error {
	var err error
	p.closed.Do(func() {
		err = IP("link del " + p.link)
		p.file.Close()
	})
	return err
}

// Cut makes the pod silent, as one whose node has lost its power, or ends that:
// what is sent to it is lost without an error.
func (p *Pod) Cut(off bool) error {
	if !off {
		return p.Do(func() error {
			return IP("link set eth0 up", "route replace default via "+Node+
				" dev eth0 onlink")
		})
	}
	// no question by ARP that would not be answered
	if err := IP("neigh replace " + p.Address + " lladdr " + p.mac + " dev " +
		p.link + " nud permanent"); err != nil {
		return err
	}
	return p.Do(func() error { return IP("link set eth0 down") })
}

// Do calls f on a thread that is in the pod's network namespace.  Sockets and
// processes that f makes are of the pod.
func (p *Pod) Do(f func() error) error {
	return away(func() error {
		if err := unix.Setns(int(p.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter pod %s: %w", p.Address, err)
		}
		return f()
	})
}

// away calls f on a thread that may leave its network namespace, and brings the
// thread back.  It must not end: with it would end each process that it ever
// started and that is to die with its parent.
func away(f func() error) error {
	runtime.LockOSThread()
	home, err := os.Open(current)
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer home.Close()
	result := f()
	if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("return to the node: %w", err)
	}
	runtime.UnlockOSThread()
	return result
}

// current is the network namespace of the calling thread.
const current = "/proc/thread-self/ns/net"

// newNamespace makes an empty network namespace, which lives as long as the
// file is open.
func newNamespace() (f *os.File, err error) {
	err = away(func() (err error) {
		if err = syscall.Unshare(syscall.CLONE_NEWNET); err == nil {
			f, err = os.Open(current)
		}
		return err
	})
	return f, err
}

// Pool gives addresses to pods.  The one freed last is given first.
type Pool struct {
	mu   sync.Mutex
	next netip.Addr
	free []string
}

// NewPool gives addresses from this one on.
func NewPool(first string) *Pool {
	return &Pool{next: netip.MustParseAddr(first)}
}

// Take gives an address.
func (p *Pool) Take() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		a := p.free[n-1]
		p.free = p.free[:n-1]
		return a
	}
	a := p.next
	for p.next = a.Next(); ; p.next = p.next.Next() {
		if b := p.next.As4(); b[3] != 0 && b[3] != 255 {
			break
		}
	}
	return a.String()
}

// Free takes an address back.
func (p *Pool) Free(address string) {
	p.mu.Lock()
	p.free = append(p.free, address)
	p.mu.Unlock()
}
