"""Run as a script: kill one process as soon as the other end of a pipe is closed, which its holder's death does.

python -I -S pipe_watch.py PIPE_DESCRIPTOR PID SIGNAL
"""

import contextlib
import os
import select
import sys

POLL_SECONDS = 0.5


def main() -> None:
    pipe, pid, signal_number = (int(argument) for argument in sys.argv[1:])
    while is_alive(pid):
        readable, _, _ = select.select([pipe], [], [], POLL_SECONDS)
        if readable:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal_number)
            return


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    main()
