"""How a process ends that is told to by a signal: as an exception ends it, so that what is half written is removed.

An exception that a signal raises may come up at any place, and three things can become of it there that would not do.
Another may take its place: the end of a `with` whose beginning was broken off complains of that. Where
no exception can go up, as in the callback of a weak reference, Python prints it and goes on. And it may break off the
very cleaning up that it is for. So the signal is remembered, raised again where it was dropped, and put off meanwhile.

Where the main thread waits in foreign code, nothing can be raised at all: there another thread ends the process.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket
    from sys import UnraisableHookArgs

_NAMES: Final = ("SIGINT", "SIGTERM", "SIGHUP")
_AGAIN: Final = 0.01  # seconds until a signal is raised again whose exception was dropped
_GRACE: Final = 0.5  # seconds in which the main thread comes to a signal, unless it waits in foreign code


class _Ending:
    """What is known about the signals of this process, as its main thread sees them.

    Attributes:
        received: the number of the last signal.
        held: how many `uninterrupted` blocks the main thread is in.
        waiting: whether the signal came in one of them, and is still to be raised.
        reporting: whether Python is just telling of an exception that it dropped.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.held = 0
        self.waiting = False
        self.reporting = False

    def arrive(self, number: int, _: FrameType | None) -> None:
        self.received = number
        self.waiting = self.held > 0
        if not self.waiting:
            raise self.exception()

    def exception(self) -> KeyboardInterrupt | SystemExit:
        if self.received == signal.SIGINT:
            return KeyboardInterrupt()
        return SystemExit(128 + (self.received or 0))


_ending = _Ending()


@contextmanager
def ending_tidily() -> Iterator[None]:
    """Let the signals that end a process come out of this block as an exception, and as no other.

    A signal that the process was started to ignore, as `nohup` has it, stays ignored. Outside the main thread, which
    alone is given signals, this does nothing.

    Raises:
        KeyboardInterrupt: after SIGINT.
        SystemExit: after SIGTERM and SIGHUP, with 128 and the signal's number, as shells report it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    before = {each: signal.getsignal(each) for each in numbers}
    others = (signal.SIG_IGN, None)  # to be left alone: ignored, or handled by C code and not to be put back
    taken = [each for each in numbers if before[each] not in others]
    report = sys.unraisablehook
    _ending.received = None
    try:
        sys.unraisablehook = partial(_report_or_raise_again, report)
        for each in taken:
            signal.signal(each, _ending.arrive)
        with as_told():
            yield
    finally:
        for each in taken:
            signal.signal(each, before[each])
        sys.unraisablehook = report


@contextmanager
def as_told() -> Iterator[None]:
    """Whatever comes out of this block after a signal has arrived comes out as what the signal raises.

    Raises:
        KeyboardInterrupt, SystemExit: see `ending_tidily`.
    """
    try:
        yield
    except BaseException:
        if _ending.received is not None:
            raise _ending.exception() from None
        raise


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Put off what a signal raises until the end of this block, which should be a short one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _ending.held += 1
    try:
        yield
    finally:
        _ending.held -= 1
        if _ending.waiting and not _ending.held and _ending.received is not None:
            signal.raise_signal(_ending.received)


@contextmanager
def ended_while_waiting(tidy: Callable[[], None]) -> Iterator[None]:
    """Let the signals that end a process do so while the main thread waits in foreign code.

    Python raises nothing there. Where the main thread has not come to a signal after half a second, another thread
    calls `tidy` and ends the process, with the exit code of `ending_tidily`. Nothing is unwound then, so this is for
    blocks that have nothing half done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    import socket  # which `vggc check` need not wait for

    hearing, told = socket.socketpair()
    told.setblocking(False)
    left = threading.Event()
    watcher = threading.Thread(target=_end_while_waiting, args=(hearing, left, tidy), daemon=True)
    before = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    watcher.start()
    try:
        yield
    finally:
        left.set()
        signal.set_wakeup_fd(before)
        told.close()  # the end of what the watcher hears
        watcher.join()
        hearing.close()


def _end_while_waiting(hearing: "socket.socket", left: threading.Event, tidy: Callable[[], None]) -> None:
    """Python writes the number of each signal that it has a handler for to the other end."""
    ending = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    while heard := hearing.recv(1):
        if heard[0] in ending and not left.wait(_GRACE):
            tidy()
            os._exit(128 + heard[0])


def _report_or_raise_again(report: Callable[["UnraisableHookArgs"], object], dropped: "UnraisableHookArgs") -> None:
    """Report an exception that Python dropped; if a signal raised it, raise that once more, in a moment."""
    if _ending.received is None or not isinstance(dropped.exc_value, KeyboardInterrupt | SystemExit):
        report(dropped)
        return
    _ending.reporting = True
    try:
        again = threading.Timer(_AGAIN, _raise_again, [_ending.received])
        again.daemon = True
        again.start()
    finally:
        _ending.reporting = False


def _raise_again(number: int) -> None:
    while _ending.reporting:  # what is raised in there would be dropped again
        time.sleep(_AGAIN)
    _raise_in_main_thread(number)


def _raise_in_main_thread(number: int) -> None:
    if sys.platform == "win32":
        signal.raise_signal(number)
    else:  # so that it wakes from what it waits for
        signal.pthread_kill(threading.main_thread().ident or 0, number)
