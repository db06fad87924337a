// Package podinit is the first step of a container: the program that links
// this package executes itself under the name "pod-init", which moves into the
// namespaces, makes the root file system, drops privileges as runc does, and
// then executes the program of the image.
package podinit

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Name is argv[0] that makes a program act as the init step.
const Name = "pod-init"

// Descriptors that the init step gets. FdMnt and the two after it are there
// only when a process joins a running container. The network and the process
// namespace are those of the thread that starts it.
const (
	FdSpec  = 3 // JSON of Spec, to its end
	FdError = 4 // an error is written here; closed by a successful exec
	FdMnt   = 5
	FdUTS   = 6
	FdIPC   = 7
)

// Spec says what a container is made of.
type Spec struct {
	Enter      bool // join the container whose namespaces were passed
	Root       string
	Hostname   string
	Binds      []Bind
	Files      map[string]string // path in the root: text
	Sysctls    map[string]string
	ReadOnly   bool // root file system
	Dir        string
	Args       []string
	Env        []string
	UID        int
	GID        int
	Groups     []int
	Caps       uint64 // bounding, permitted and effective set
	NoNewPrivs bool
}

// Bind is a file or folder of the host seen in the container. A missing
// Optional one is left out.
type Bind struct {
	From, To string
	ReadOnly bool
	Optional bool
}

func init() {
	if len(os.Args) == 0 || os.Args[0] != Name {
		return
	}
	runtime.LockOSThread()
	err := run()
	// only reached when the program was not executed
	fmt.Fprint(os.NewFile(FdError, "error"), err)
	os.Exit(128)
}

func run() error {
	s := new(Spec)
	last := FdError
	if err := json.NewDecoder(os.NewFile(FdSpec, "spec")).
		Decode(s); err != nil {
		return fmt.Errorf("spec: %w", err)
	}
	if s.Enter {
		last = FdIPC
	}
	for fd := FdSpec; fd <= last; fd++ {
		unix.CloseOnExec(fd)
	}

	unix.Umask(0o022)
	if err := s.namespaces(); err != nil {
		return err
	}
	if !s.Enter {
		if err := s.root(); err != nil {
			return err
		}
	}

	if err := os.Chdir(s.Dir); err != nil {
		return err
	}
	path, err := s.lookPath()
	if err != nil {
		return err
	}
	// the user of the container may open /dev/stdout again
	for fd := 1; fd <= 2; fd++ {
		if err := unix.Fchown(fd, s.UID, s.GID); err != nil {
			return fmt.Errorf("owner of standard output: %w", err)
		}
	}
	if err := s.privileges(); err != nil {
		return err
	}
	err = unix.Exec(path, s.Args, s.Env)
	return fmt.Errorf("exec %q: %w", path, err)
}

func (s *Spec) namespaces() error {
	if !s.Enter {
		return unix.Sethostname([]byte(s.Hostname))
	}
	// a thread joins a mount namespace only with a root of its own
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return err
	}
	for _, n := range []struct{ fd, kind int }{
		{FdUTS, unix.CLONE_NEWUTS}, {FdIPC, unix.CLONE_NEWIPC},
		{FdMnt, unix.CLONE_NEWNS},
	} {
		if err := unix.Setns(n.fd, n.kind); err != nil {
			return fmt.Errorf("namespaces of the container: %w", err)
		}
	}
	return nil
}

// lookPath finds the program as a container runtime does: in PATH of the
// container's environment.
func (s *Spec) lookPath() (string, error) {
	if len(s.Args) == 0 {
		return "", fmt.Errorf("no command specified")
	}
	os.Clearenv()
	for _, e := range s.Env {
		k, v, _ := strings.Cut(e, "=")
		os.Setenv(k, v)
	}
	return exec.LookPath(s.Args[0])
}

// privileges become those of the container, in runc's order: without ambient
// capabilities a user other than root keeps only what the file that is
// executed gives it.
func (s *Spec) privileges() error {
	if s.NoNewPrivs {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0,
			0); err != nil {
			return err
		}
	}
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		if s.Caps&(1<<c) == 0 {
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0,
				0); err != nil && err != unix.EINVAL {
				return fmt.Errorf("bounding set: %w", err)
			}
		}
	}
	if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
		return err
	}
	if err := s.user(); err != nil {
		return fmt.Errorf("user %d, group %d: %w", s.UID, s.GID, err)
	}
	if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 0, 0, 0, 0); err != nil {
		return err
	}

	var data [2]unix.CapUserData
	for i := range data {
		set := uint32(s.Caps >> (32 * i))
		data[i] = unix.CapUserData{Permitted: set, Effective: set}
	}
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capset(&hdr, &data[0]); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT,
		unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return err
	}
	// lost with the change of user: die with the kubelet
	return unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
}

// user sets the ids of this thread only: the others end with the exec.
func (s *Spec) user() error {
	groups := make([]uint32, len(s.Groups)+1)
	for i, g := range s.Groups {
		groups[i] = uint32(g)
	}
	if err := setgroups(groups[:len(s.Groups)]); err != nil {
		return err
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(s.GID),
		uintptr(s.GID), uintptr(s.GID)); e != 0 {
		return e
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(s.UID),
		uintptr(s.UID), uintptr(s.UID)); e != 0 {
		return e
	}
	return nil
}

// sysctl writes a setting of the container's network namespace.
func sysctl(key, value string) error {
	return os.WriteFile(filepath.Join("/proc/sys",
		strings.ReplaceAll(key, ".", "/")), []byte(value), 0)
}
