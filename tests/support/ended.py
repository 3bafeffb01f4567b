"""Which processes there are, and whether one has ended."""

from pathlib import Path

from reconciliation.support.pipe_watch import is_alive


def is_gone(pid: int) -> bool:
    """Ended; a zombie that its new parent has not reaped yet has ended too."""
    if not is_alive(pid):
        return True
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return Path("/proc/self").exists()


def children_of(pid: int) -> list[int]:
    """Return the direct children of a process, on Linux."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
