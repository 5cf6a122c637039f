"""Processes: a pool of prepared ones, and one beside it."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sized
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from dumpscan.errors import IncompleteError, SourceError
from dumpscan.protect import forbid_core_dumps

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


@contextmanager
def pool(most: int, windows: Sized, prepare: Callable[[], None]) -> Iterator[Executor | None]:
    """A process pool whose workers are prepared, or None where one process does: few windows, or ``most`` 1.

    ``prepare`` is picklable and compiles what the work needs. Where processes are forked they share what was
    compiled before; where they cannot be (macOS, Windows) each prepares itself. One process compiles what it comes
    to need.
    """
    workers = min(most, len(windows))
    if workers <= 1:
        yield None
        return
    import multiprocessing  # here, for it takes two hundredths of the start, and a small dump needs one process
    from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor

    forked = sys.platform == "linux"
    if forked:
        prepare()
    context = multiprocessing.get_context("fork" if forked else "spawn")
    others = multiprocessing.active_children()
    executor = ProcessPoolExecutor(workers, context, _start_worker, (None if forked else prepare,))
    try:
        executor.submit(_nothing).result()  # the processes are forked now, before there are other threads
        yield executor
    except BaseException as error:
        executor.shutdown(wait=False)  # futures that are cancelled would be complained of by its thread
        for process in multiprocessing.active_children():
            if process not in others:
                process.kill()  # it has nothing to lose, and may hold a lock that the wait for it needs
        if isinstance(error, BrokenProcessPool):
            raise IncompleteError("a worker process died (killed, or out of memory)") from None
        raise
    executor.shutdown()


@dataclass(frozen=True)
class Aside:
    """Work under way: ``result`` waits for what it brings; ``running`` says whether it still takes a processor."""

    result: Callable[[], str]
    running: Callable[[], bool]


@contextmanager
def aside(
    work: Callable[[threading.Event], str], risky: Callable[[threading.Event], str] | None = None
) -> Iterator[Aside]:
    """Begin ``work``. It ends when the event is set: leaving early takes no time.

    Where processes can be forked, ``risky``, which does the same, is done in one of its own; should that die, ``work``
    is done here after all. To be entered before there is a pool, so that no thread is forked.
    """
    stopped = threading.Event()
    if risky is None or sys.platform != "linux":
        with ThreadPoolExecutor(1) as executor:
            future = executor.submit(work, stopped)
            try:
                yield Aside(future.result, lambda: not future.done())
            finally:
                stopped.set()
        return
    import multiprocessing  # as above

    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_tell, args=(partial(risky, stopped), sender), daemon=True)
    process.start()
    sender.close()
    try:
        yield Aside(partial(_told, receiver, partial(work, stopped)), lambda: not receiver.poll())
    finally:
        process.kill()
        process.join()
        receiver.close()


def _tell(work: Callable[[], str], sender: Connection) -> None:
    _start_worker(None)
    with suppress(Exception):  # what else goes wrong, the parent will meet and tell
        try:
            sender.send(work())
        except SourceError as error:
            sender.send(error)


def _told(receiver: Connection, work: Callable[[], str]) -> str:
    try:
        told = receiver.recv()
    except EOFError:
        return work()
    if isinstance(told, SourceError):
        raise told
    return str(told)


def _nothing() -> None:
    """The first task of a pool."""


def _start_worker(prepare: Callable[[], None] | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    forbid_core_dumps()
    if prepare:
        prepare()
