"""How windows are handed out."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from dumpscan.engine import AHEAD, TOGETHER, Job, run
from dumpscan.model import Span
from dumpscan.windows import Window
from tests.makers.source import BytesSource

JOB = Job(BytesSource(b"x"))


def _window(number: int) -> Window:
    return Window((), number, Span(0, 0))


def _number(_job: Job, window: Window) -> int:
    if window.size == 1000:
        raise RuntimeError
    return window.size


@pytest.mark.parametrize("count", [0, 1, 2, 15, 16, 17, 100, 333])
def test_results_come_in_the_order_of_the_windows(count: int) -> None:
    windows = [_window(number) for number in range(count)]
    assert list(run(None, 1, _number, JOB, windows)) == list(range(count))
    with ThreadPoolExecutor(3) as executor:
        assert list(run(executor, 3, _number, JOB, windows)) == list(range(count))


def test_only_so_many_windows_are_under_way() -> None:
    begun = 0
    lock = threading.Lock()

    def work(_job: Job, _window: Window) -> None:
        nonlocal begun
        with lock:
            begun += 1

    with ThreadPoolExecutor(2) as executor:
        results = run(executor, 2, work, JOB, [_window(number) for number in range(500)])
        next(results)
        assert begun <= 2 * AHEAD * TOGETHER
        assert len(list(results)) == 499


def test_what_fails_is_raised() -> None:
    windows = [_window(number) for number in (1, 2, 1000, 3)]
    with ThreadPoolExecutor(2) as executor, pytest.raises(RuntimeError):
        list(run(executor, 2, _number, JOB, windows))
