"""Becomes another program that does not outlive the process that started it.

    python -m pipelines.ends_with_parent PARENT PROGRAM [ARGUMENT ...]

Where its parent is killed outright, only Linux can promise that.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: str, *command: str) -> None:
    """Become `command`, unless the parent has already gone."""
    # Shells start a program in the background deaf to it, and that is how it is asked to end.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == int(parent):
        os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(*sys.argv[1:])
