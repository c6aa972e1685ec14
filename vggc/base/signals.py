"""SIGINT, SIGTERM and SIGHUP as exceptions, so that a process that is ended removes what it has half written."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_NUMBERS: Final = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_RETRY: Final = 0.1  # seconds until a signal is sent again whose exception Python dropped


class _State:
    """The last signal, how many `uninterrupted` blocks are open, and whether one of them defers its exception."""

    received: int | None = None
    blocks = 0
    pending = False


@contextmanager
def signals_as_exceptions() -> Iterator[None]:
    """Let the signals that end a process leave this block as an exception, and as no other.

    A signal that the process was started to ignore, as by `nohup`, is still ignored. Python gives signals to the main
    thread alone; in another thread this does nothing.

    Raises:
        KeyboardInterrupt: after SIGINT.
        SystemExit: after SIGTERM and SIGHUP, with 128 plus the number of the signal, as shells report it.
    """
    report = sys.unraisablehook
    handlers = _replace_handlers(_raise)
    _State.received = None
    sys.unraisablehook = _send_dropped_again
    try:
        with signal_first():
            yield
    finally:
        sys.unraisablehook = report
        _restore(handlers)


@contextmanager
def signal_first() -> Iterator[None]:
    """Replace any exception that leaves this block after a signal has arrived by the signal's own."""
    try:
        yield
    except BaseException:
        if _State.received is not None:
            raise _exception() from None
        raise


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Defer what a signal raises until the end of this block, which should be a short one."""
    main = threading.current_thread() is threading.main_thread()
    _State.blocks += main
    try:
        yield
    finally:
        _State.blocks -= main
        if main and _State.pending and not _State.blocks:
            _State.pending = False
            raise _exception()


@contextmanager
def exit_on_signal(clean_up: Callable[[], None]) -> Iterator[None]:
    """End the process on a signal even while the main thread waits in foreign code, where Python raises nothing.

    Another thread calls `clean_up` and ends the process, with the exit code of `signals_as_exceptions`. Nothing is
    unwound, so this is for blocks that have nothing half written. It does nothing on Windows.
    """
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        yield
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    watcher = threading.Thread(target=_exit_after_read, args=(reader, clean_up), daemon=True)
    handlers = _replace_handlers(lambda *_: None)
    before = signal.set_wakeup_fd(writer)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writer)
        watcher.join()
        os.close(reader)
        _restore(handlers)


def _exit_after_read(reader: int, clean_up: Callable[[], None]) -> None:
    """Python writes the number of each signal that it handles to the other end, which is closed when all is well."""
    if number := os.read(reader, 1):
        clean_up()
        os._exit(128 + number[0])


def _replace_handlers(handler: "signal._HANDLER") -> "dict[int, signal._HANDLER]":
    """Install a handler for the signals that are not ignored or handled by C code, and give the handlers before."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    before = {number: signal.getsignal(number) for number in _NUMBERS}
    return {number: signal.signal(number, handler) for number in before if before[number] not in (signal.SIG_IGN, None)}


def _restore(handlers: "dict[int, signal._HANDLER]") -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


def _raise(number: int, _: FrameType | None) -> None:
    _State.received = number
    _State.pending = _State.blocks > 0
    if not _State.pending:
        raise _exception()


def _exception() -> KeyboardInterrupt | SystemExit:
    return KeyboardInterrupt() if _State.received == signal.SIGINT else SystemExit(128 + (_State.received or 0))


def _send_dropped_again(dropped: "UnraisableHookArgs") -> None:
    """Python drops exceptions in some places, as in the callback of a weak reference: send their signal again."""
    if _State.received is None or not isinstance(dropped.exc_value, KeyboardInterrupt | SystemExit):
        sys.__unraisablehook__(dropped)
        return
    timer = threading.Timer(_RETRY, os.kill, (os.getpid(), _State.received))
    timer.daemon = True
    timer.start()
