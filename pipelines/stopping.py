"""Whether a process has been told to stop, for one that goes on until then."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def heeding_signals() -> Iterator[Callable[[], bool]]:
    """In the block SIGINT and SIGTERM raise `KeyboardInterrupt`. What is yielded tells whether one has come: Python
    drops what is raised while it clears up after itself."""
    has_come = False

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        nonlocal has_come
        has_come = True
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # which alone hears of signals
        yield lambda: False
        return
    heard = [each for each in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(each) is not signal.SIG_IGN]
    before = {each: signal.signal(each, stop) for each in heard}
    try:
        yield lambda: has_come
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
