package podinit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Folders of a fresh root.
var folders = []struct {
	path string
	mode os.FileMode
}{
	{"etc", 0o755}, {"dev", 0o755}, {"proc", 0o555}, {"sys", 0o555},
	{"tmp", 0o777 | os.ModeSticky}, {"run", 0o755}, {"root", 0o700},
	{"home", 0o755}, {"usr", 0o755}, {"var", 0o755}, {"var/log", 0o755},
	{"var/lib", 0o755}, {"var/cache", 0o755},
	{"var/tmp", 0o777 | os.ModeSticky},
}

var devices = []string{"null", "zero", "full", "random", "urandom", "tty"}

// What a real runtime keeps a container from changing or seeing.
var readOnlyPaths = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
	"/proc/sysrq-trigger"}
var maskedPaths = []string{"/proc/kcore", "/proc/keys", "/proc/timer_list"}

// tree is a bind mount that has no place yet.
type tree struct {
	fd  int
	dir bool
	to  string
}

// root makes the root file system: a tmpfs, and the binds in it. The sources
// are opened first, so that links in the container lead nowhere else.
func (s *Spec) root() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE,
		""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	trees, err := s.open()
	if err != nil {
		return err
	}
	if err := s.skeleton(); err != nil {
		return err
	}
	if err := pivot(s.Root); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := dev(); err != nil {
		return fmt.Errorf("/dev: %w", err)
	}
	for k, v := range s.Sysctls {
		if err := sysctl(k, v); err != nil {
			return fmt.Errorf("sysctl %s: %w", k, err)
		}
	}
	// sizes of a container are read here
	cgroup := unix.Mount("tmpfs", "/sys/fs/cgroup", "tmpfs",
		unix.MS_NOSUID|unix.MS_NODEV, "mode=0755") == nil
	for path, text := range s.Files {
		if !cgroup && filepath.Dir(path) == "/sys/fs/cgroup" {
			continue
		}
		if err := write(path, text); err != nil {
			return err
		}
	}
	for _, t := range trees {
		if err := t.place(); err != nil {
			return fmt.Errorf("mount on %s: %w", t.to, err)
		}
	}
	if err := protect(); err != nil {
		return err
	}
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return err
	}
	if s.ReadOnly {
		return remount("/", unix.MS_NODEV)
	}
	return nil
}

// skeleton mounts the tmpfs with its folders, /proc and /sys.
func (s *Spec) skeleton() error {
	if err := unix.Mount("tmpfs", s.Root, "tmpfs", unix.MS_NODEV,
		"mode=0755"); err != nil {
		return fmt.Errorf("root: %w", err)
	}
	for _, f := range folders {
		path := filepath.Join(s.Root, f.path)
		if err := os.Mkdir(path, 0o755); err != nil {
			return err
		}
		if err := os.Chmod(path, f.mode); err != nil {
			return err
		}
	}
	if err := os.Symlink("/run", s.Root+"/var/run"); err != nil {
		return err
	}
	// merged /usr: /bin and the others are links
	for _, d := range []string{"bin", "sbin", "lib", "lib32", "lib64"} {
		if to, err := os.Readlink("/" + d); err == nil {
			if err := os.Symlink(to, s.Root+"/"+d); err != nil {
				return err
			}
		}
	}
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	if err := unix.Mount("proc", s.Root+"/proc", "proc", flags,
		""); err != nil {
		return fmt.Errorf("/proc: %w", err)
	}
	// may be refused in a user namespace; nothing depends on it
	_ = unix.Mount("sysfs", s.Root+"/sys", "sysfs", flags|unix.MS_RDONLY, "")
	return nil
}

// open detaches copies of all sources from the host's mounts.
func (s *Spec) open() ([]tree, error) {
	var trees []tree
	add := func(b Bind) error {
		st, err := os.Stat(b.From)
		if err == nil {
			var fd int
			fd, err = unix.OpenTree(unix.AT_FDCWD, b.From,
				unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|
					unix.AT_RECURSIVE)
			if err == nil && b.ReadOnly {
				err = unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|
					unix.AT_RECURSIVE, &unix.MountAttr{
					Attr_set: unix.MOUNT_ATTR_RDONLY})
			}
			if err == nil {
				trees = append(trees, tree{fd, st.IsDir(), b.To})
			}
		}
		if err != nil && !(b.Optional && errors.Is(err, os.ErrNotExist)) {
			return fmt.Errorf("mount of %s: %w", b.From, err)
		}
		return nil
	}
	for _, d := range devices {
		if err := add(Bind{From: "/dev/" + d, To: "/dev/" + d}); err != nil {
			return nil, err
		}
	}
	for _, b := range s.Binds {
		if err := add(b); err != nil {
			return nil, err
		}
	}
	return trees, nil
}

// place puts a tree where it belongs, in the new root.
func (t tree) place() error {
	defer unix.Close(t.fd)
	if _, err := os.Stat(t.to); err != nil {
		if t.dir {
			err = os.MkdirAll(t.to, 0o755)
		} else {
			err = write(t.to, "")
		}
		if err != nil {
			return err
		}
	}
	return unix.MoveMount(t.fd, "", unix.AT_FDCWD, t.to,
		unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_SYMLINKS)
}

func pivot(root string) error {
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return err
	}
	// the old root lies over the new one
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return err
	}
	return os.Chdir("/")
}

func dev() error {
	if err := unix.Mount("tmpfs", "/dev", "tmpfs", unix.MS_NOSUID,
		"mode=0755"); err != nil {
		return err
	}
	for _, d := range []string{"/dev/pts", "/dev/shm"} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return err
		}
	}
	if err := unix.Mount("devpts", "/dev/pts", "devpts", unix.MS_NOSUID|
		unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"); err != nil {
		return err
	}
	if err := unix.Mount("shm", "/dev/shm", "tmpfs", unix.MS_NOSUID|
		unix.MS_NODEV|unix.MS_NOEXEC, "mode=1777,size=64m"); err != nil {
		return err
	}
	for name, to := range map[string]string{"ptmx": "pts/ptmx",
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0",
		"stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"} {
		if err := os.Symlink(to, "/dev/"+name); err != nil {
			return err
		}
	}
	return nil
}

// protect makes parts of /proc read-only or unreadable.
func protect() error {
	for _, p := range readOnlyPaths {
		err := unix.Mount(p, p, "", unix.MS_BIND|unix.MS_REC, "")
		if err == nil {
			err = remount(p, unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC)
		}
		if err != nil && err != unix.ENOENT {
			return fmt.Errorf("read-only %s: %w", p, err)
		}
	}
	for _, p := range maskedPaths {
		if err := unix.Mount("/dev/null", p, "", unix.MS_BIND,
			""); err != nil && err != unix.ENOENT {
			return fmt.Errorf("masked %s: %w", p, err)
		}
	}
	return nil
}

func remount(path string, flags uintptr) error {
	return unix.Mount("", path, "", unix.MS_BIND|unix.MS_REMOUNT|
		unix.MS_RDONLY|flags, "")
}

func write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

func setgroups(groups []uint32) error {
	_, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)),
		uintptr(unsafe.Pointer(unsafe.SliceData(groups))), 0)
	if e != 0 {
		return e
	}
	return nil
}
