"""Run as a script, between fork and the real program: ask the kernel to kill us with our parent, then become it.

    python -I -S bound_exec.py PARENT_PID PROGRAM [ARGUMENT ...]

A program of its own and not a `preexec_fn`, because that one may deadlock in a process with threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent_pid, program = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The parent may have died before the kernel was asked; then no signal would ever come.
    if os.getppid() != parent_pid:
        sys.exit("the parent is gone already")
    os.execv(program[0], program)  # noqa: S606 - becoming the program is the purpose


if __name__ == "__main__":
    main()
