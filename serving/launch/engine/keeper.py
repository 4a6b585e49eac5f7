"""Runs one command and lets nothing of it outlive whoever started the keeper.

    python -I -S keeper.py COMMAND…      stdin: the lifeline; stdout: the command's process id

The command gets a process group of its own; its output goes to the keeper's stderr. SIGTERM is
passed on to the command alone, which may end in order. When the command ends, and when the lifeline
is closed (by whoever holds its other end, or by the kernel when that process is gone), everything
that is left is killed, down to processes that left the group. The exit status is the command's, or
128 and the number of the signal that ended it.

Killed itself, the keeper leaves a SIGTERM to the command, by the kernel: it can still end in order,
and whoever reads the process id may kill its group. Linux only.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def keep(command: Sequence[str]) -> int:
    """Runs the command to its end, or to that of the lifeline."""
    control = ctypes.CDLL(None).prctl
    control(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # orphans of the command become our children
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    keeper = os.getpid()

    def bind() -> None:
        signal.set_wakeup_fd(-1)
        control(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != keeper:
            os._exit(1)

    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        stderr=sys.stderr,
        start_new_session=True,
        preexec_fn=bind,
    )
    sys.stdout.write(f"{child.pid}\n")
    sys.stdout.close()
    while not _ended(child.pid):
        ready, _, _ = select.select([0, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
        if 0 in ready and not os.read(0, 4096):
            break
        while told:
            os.kill(child.pid, told.pop())
    return _clear(child.pid)


def _ended(pid: int) -> bool:
    """Whether it has ended; it stays a zombie, so that nobody else gets its number. Others that
    have ended, which came to us as orphans, are forgotten."""
    while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        if found.si_pid == pid:
            return True
        os.waitpid(found.si_pid, 0)
    return False


def _clear(pid: int) -> int:
    """Kills the group, then whatever else there is below us. The exit status of `pid`."""
    os.killpg(pid, signal.SIGKILL)
    status = 0
    while True:
        try:
            ended, said = os.wait()
        except ChildProcessError:
            break
        if ended == pid:
            status = os.waitstatus_to_exitcode(said)
        for stray in _children():  # of the dead, which are ours now
            os.kill(stray, signal.SIGKILL)
    if status < 0:
        sys.stderr.write(f"fairlead: the engine was ended by signal {-status}\n")
        return 128 - status
    return status


def _children() -> list[int]:
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as listed:
        return [int(pid) for pid in listed.read().split()]


if __name__ == "__main__":
    sys.exit(keep(sys.argv[1:]))
