"""The lock that a worker puts on itself before it touches a file. It cannot be taken off again.

Layers, in order: user nobody (where root), death with the parent, resource limits, no new privileges, landlock without
any allowed path, a seccomp allow-list whose default is to kill the process. What is active is not assumed: the worker
tries to open a file under landlock, and reads the rest from the kernel's own account of it. After `lock` the process
can compute, read the file on `FILE`, write to the pipe on `REPLY`, and exit.

KNOWN GAP: ``newfstatat`` must be allowed, so that taken-over code could ask whether a path exists and how large it is;
it cannot open it, and has nowhere to send the answer but the reply, which is checked.
KNOWN GAP: without landlock (a kernel before 5.13, or where it is not enabled) path names are refused by seccomp alone;
that is why a worker says which layers it has, and why the absence of seccomp is never accepted.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import resource
import signal
import struct

import pyseccomp

from media.limits import Limits
from media.report import Strength
from media.wire import Requirement

FILE, REPLY = 3, 4  # 0, 1 and 2 are /dev/null
NOBODY = 65534

_OPEN_FILES = 16
_LANDLOCK_CREATE, _LANDLOCK_RESTRICT = 444, 446  # the same numbers on every architecture
_LANDLOCK_VERSION_FLAG = 1
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38

# linux/landlock.h: rights on files by the ABI that brought them; then TCP (ABI 4) and abstract sockets, signals (6).
_FS_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_NET_RIGHTS, _SCOPES = 0b11, 0b11

# Measured with strace over the whole corpus, then cut to what a run still needs (tests/media/test_lockdown.py).
_READING = ("read", "pread64", "readv", "lseek", "fstat", "close", "dup")
_MEMORY = ("brk", "munmap", "mremap", "madvise", "futex")
_TIME = ("clock_gettime", "clock_getres", "clock_nanosleep", "gettimeofday", "getrusage", "sched_yield")
_SELF = ("getpid", "gettid", "getuid", "geteuid", "getgid", "getegid", "sched_getaffinity", "getrandom", "sysinfo")
_SIGNALS = ("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack")
_ENDING = ("exit", "exit_group")
_PATHS = ("open", "openat", "openat2", "stat", "lstat", "access", "faccessat", "faccessat2", "readlink", "readlinkat")
_REFUSED = (*_PATHS, "tgkill")
_F_DUPFD_CLOEXEC, _AT_EMPTY_PATH = 1030, 0x1000


class LayerMissingError(Exception):
    """A layer that must hold cannot be had; the file is not looked at."""


class Lock:
    """The seccomp filter, made before the fork because its making is the slow part."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._landlock_abi = self._probe_landlock()
        self._filter = _allow_list()

    def lock(self, *, require: Requirement, limits: Limits, parent: int) -> Strength:
        """Lock this process for ever and return what was found active. Raises LayerMissingError.

        Only `FILE` and `REPLY` stay open beside the standard streams. ``parent`` is the process to die with.
        """
        status = os.open("/proc/self/status", os.O_RDONLY)
        if status != REPLY + 1:  # dup3 of a descriptor onto itself is refused
            os.dup2(status, REPLY + 1, inheritable=False)
        os.closerange(REPLY + 2, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        dropped = self._become_nobody()
        self._die_with(parent)
        _limit_resources(limits)
        self._prctl(_PR_SET_NO_NEW_PRIVS, 1)
        abi = self._restrict_paths(require)
        try:
            self._filter.load()
        except OSError as err:
            raise LayerMissingError(f"seccomp: {err.strerror}") from err
        return self._found(abi=abi, dropped=dropped)

    def _become_nobody(self) -> bool:
        if os.geteuid() != 0:
            return False
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        except OSError as err:
            raise LayerMissingError(f"user {NOBODY}: {err.strerror}") from err
        return True

    def _die_with(self, parent: int) -> None:
        # After the change of user, which clears the signal of death; not dumpable, so that no other nobody may look in.
        self._prctl(_PR_SET_DUMPABLE, 0)
        self._prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)  # the parent died before the kernel was asked to tell us

    def _restrict_paths(self, require: Requirement) -> int | None:
        """Allow no path at all, and prove it: a file that anybody may read must not open any more."""
        abi = self._landlock_abi
        if abi is None:
            if require == "require-landlock":
                raise LayerMissingError("landlock: this kernel does not have it")
            return None
        rules = self._syscall(_LANDLOCK_CREATE, *_ruleset(abi), 0)
        self._syscall(_LANDLOCK_RESTRICT, rules, 0)
        os.close(rules)
        try:
            os.close(os.open("/proc/self/status", os.O_RDONLY))
        except PermissionError:
            return abi
        raise LayerMissingError("landlock: a path could be opened although none is allowed")

    def _found(self, *, abi: int | None, dropped: bool) -> Strength:
        """Return what the kernel says of this process."""
        status = dict(line.split(b":", 1) for line in os.read(REPLY + 1, 65_536).splitlines() if b":" in line)
        os.close(REPLY + 1)
        users = set(status.get(b"Uid", b"").split())
        if dropped and users != {b"%d" % NOBODY}:
            raise LayerMissingError(f"user {NOBODY}: the kernel shows another")
        strength = Strength(
            no_new_privs=status.get(b"NoNewPrivs", b"").strip() == b"1",
            seccomp=status.get(b"Seccomp", b"").strip() == b"2",
            landlock_abi=abi,
            uid_dropped=dropped,
            rlimits=True,  # setrlimit cannot succeed without effect; a failure has raised
        )
        if not (strength.no_new_privs and strength.seccomp):
            raise LayerMissingError("seccomp: the kernel does not show the filter as active")
        return strength

    def _probe_landlock(self) -> int | None:
        result: int = self._libc.syscall(_LANDLOCK_CREATE, None, 0, _LANDLOCK_VERSION_FLAG)
        return result if result > 0 else None

    def _prctl(self, option: int, value: int) -> None:
        if self._libc.prctl(option, value, 0, 0, 0) != 0:
            raise LayerMissingError(f"prctl {option}: {os.strerror(ctypes.get_errno())}")

    def _syscall(self, number: int, *arguments: int | bytes) -> int:
        result: int = self._libc.syscall(number, *arguments)
        if result < 0:
            raise LayerMissingError(f"landlock: {os.strerror(ctypes.get_errno())}")
        return result


def _ruleset(abi: int) -> tuple[bytes, int]:
    """Return struct landlock_ruleset_attr and its size, cut to what ``abi`` knows: unknown bits make creation fail."""
    rights = (1 << _FS_RIGHTS[min(abi, 5)]) - 1
    if abi < 4:
        attributes = struct.pack("=Q", rights)
    elif abi < 6:
        attributes = struct.pack("=QQ", rights, _NET_RIGHTS)
    else:
        attributes = struct.pack("=QQQ", rights, _NET_RIGHTS, _SCOPES)
    return attributes, len(attributes)


def _limit_resources(limits: Limits) -> None:
    with open("/proc/self/statm", "rb") as statm:
        mapped_bytes = int(statm.read().split()[0]) * mmap.PAGESIZE
    for kind, limit in (
        # Address space beyond what the libraries already take, so that their size does not count as the file's.
        (resource.RLIMIT_AS, mapped_bytes + limits.memory_bytes),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        resource.setrlimit(kind, (limit, limit))
    # The soft limit ends the process with SIGXCPU, which the record names; the hard one is for who ignores that.
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 1))


def _allow_list() -> pyseccomp.SyscallFilter:
    allowed = pyseccomp.SyscallFilter(pyseccomp.KILL_PROCESS)
    for name in (*_READING, *_MEMORY, *_TIME, *_SELF, *_SIGNALS, *_ENDING):
        allowed.add_rule(pyseccomp.ALLOW, name)
    for descriptor in (1, 2, REPLY):
        for name in ("write", "writev"):
            allowed.add_rule(pyseccomp.ALLOW, name, pyseccomp.Arg(0, pyseccomp.EQ, descriptor))
    for name in ("mmap", "mprotect"):
        allowed.add_rule(pyseccomp.ALLOW, name, pyseccomp.Arg(2, pyseccomp.MASKED_EQ, mmap.PROT_EXEC, 0))
    # How the C library asks for the state of a descriptor. See KNOWN GAP: the path cannot be told from here.
    allowed.add_rule(pyseccomp.ALLOW, "newfstatat", pyseccomp.Arg(3, pyseccomp.EQ, _AT_EMPTY_PATH))
    for command in (_F_DUPFD_CLOEXEC, 0, 1, 2, 3):  # F_DUPFD, F_GETFD, F_SETFD, F_GETFL
        allowed.add_rule(pyseccomp.ALLOW, "fcntl", pyseccomp.Arg(1, pyseccomp.EQ, command))
    # What the libraries try by themselves, on harmless files too (a table for an old character set, the file that a
    # playlist names): refused, but no reason to lose the analysis. Sockets, programs and processes are: they kill.
    # A refused tgkill is how abort() of a confused decoder ends as the crash that it is.
    for name in _REFUSED:
        allowed.add_rule(pyseccomp.ERRNO(errno.EACCES), name)
    allowed.add_rule(pyseccomp.ERRNO(errno.ENOTTY), "ioctl")  # asked of every file: "are you a terminal?"
    allowed.add_rule(pyseccomp.ERRNO(errno.EACCES), "newfstatat", pyseccomp.Arg(3, pyseccomp.NE, _AT_EMPTY_PATH))
    return allowed
