"""How windows are handed out."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from dumpscan.engine import AHEAD, TOGETHER, Job, Scanner, WindowEvidence, run
from dumpscan.matchers.base import Hit, View
from dumpscan.matchers.registry import build_matchers
from dumpscan.model import Clue, Evidence, Span
from dumpscan.windows import PAGE, Window
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


def test_a_crowded_processor_is_left_alone() -> None:
    at_once: list[int] = []
    under_way: set[int] = set()

    def work(_job: Job, window: Window) -> int:
        under_way.add(window.size)
        at_once.append(len(under_way))
        time.sleep(0.002)
        under_way.remove(window.size)
        return window.size

    crowded = iter([True] * 20 + [False] * 10_000)
    windows = [_window(number) for number in range(200)]
    with ThreadPoolExecutor(3) as executor:
        results = list(run(executor, 3, work, JOB, windows, lambda: next(crowded)))
    assert results == list(range(200))
    assert max(at_once[:8]) <= 2
    assert max(at_once) == 3


@pytest.mark.parametrize(("empty", "least", "most"), [(True, 300, 400), (False, 1, 2 * AHEAD * TOGETHER)])
def test_a_slow_window_keeps_no_worker_waiting(empty: bool, least: int, most: int) -> None:
    """Of the others as many are done meanwhile as are empty, or as memory allows."""
    done: list[int] = []
    slow = threading.Event()

    def work(_job: Job, window: Window) -> WindowEvidence:
        if window.size == 0:
            assert slow.wait(60)
        done.append(window.size)
        return WindowEvidence(window.size, 0, empty=empty)

    with ThreadPoolExecutor(2) as executor:
        results = run(executor, 2, work, JOB, [_window(number) for number in range(400)])
        taken: list[WindowEvidence] = []
        reader = threading.Thread(target=lambda: taken.extend(results))
        reader.start()
        until = time.monotonic() + 30
        while len(done) < least and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.1)
        assert least <= len(done) <= most
        slow.set()
        reader.join()
    assert [evidence.owned for evidence in taken] == list(range(400))


def test_what_fails_is_raised() -> None:
    windows = [_window(number) for number in (1, 2, 1000, 3)]
    with ThreadPoolExecutor(2) as executor, pytest.raises(RuntimeError):
        list(run(executor, 2, _number, JOB, windows))


class _Seeing:
    """A matcher without anchors that tells the live stretches that it is given."""

    name, reach = "seeing", 100
    anchors: Sequence[bytes] = ()

    def match(self, view: View, hits: Sequence[Hit]) -> Iterable[Evidence]:
        return [Clue("live", b"", span.start, span.end, "ascii") for span in view.live]


def test_a_matcher_without_anchors_sees_as_far_as_it_reaches() -> None:
    view = View(memoryview(bytes(20 * PAGE)), (Span(0, 5 * PAGE), Span(6 * PAGE, 20 * PAGE)))
    owned = Span(7 * PAGE, 10 * PAGE + 3900)
    for span, seen in (
        (owned, (Span(6 * PAGE, 11 * PAGE),)),
        (Span(5 * PAGE + 99, 5 * PAGE + 110), (Span(4 * PAGE, 5 * PAGE),)),
        (Span(0, 20 * PAGE), view.live),
    ):
        clues = [clue for clue in Scanner([_Seeing()]).evidence(view, span, Counter(), []) if isinstance(clue, Clue)]
        assert tuple(Span(clue.start, clue.end) for clue in clues) == seen


class _Telling:
    """A matcher that tells what it is given."""

    reach = 0

    def __init__(self, name: str, *anchors: bytes) -> None:
        self.name, self.anchors = name, anchors

    def match(self, view: View, hits: Sequence[Hit]) -> Iterable[Evidence]:
        for anchor, start in hits:
            yield Clue(self.name, self.anchors[anchor], start, start + len(self.anchors[anchor]), "ascii")


def test_a_matcher_gets_the_hits_of_its_anchors() -> None:
    data = b"..gamma..beta..alpha..delta"
    matchers = (
        _Telling("first", b"alpha", b"beta"),
        _Telling("without"),
        _Telling("second", b"beta", b"gamma", b"alpha"),
        _Telling("third", b"delta", b"gamma", b"alpha"),
    )

    whole = Span(0, len(data))

    def told() -> Iterator[tuple[str, bytes, int]]:
        for clue in Scanner(matchers).evidence(View(memoryview(data), (whole,)), whole, Counter(), []):
            assert isinstance(clue, Clue)
            yield clue.kind, clue.value, clue.start

    wanted = [(m.name, anchor, data.index(anchor)) for m in matchers for anchor in m.anchors]
    assert list(told()) == sorted(wanted, key=lambda item: ("first", "second", "third").index(item[0]) * 100 + item[2])


def test_no_matcher_names_an_anchor_twice() -> None:
    for matcher in build_matchers():
        assert len(set(matcher.anchors)) == len(matcher.anchors), matcher.name
