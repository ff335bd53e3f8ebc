"""Items are taken before they are asked for, a bounded number of them, and nothing is left behind."""

import itertools
import threading
from collections.abc import Iterator

import pytest

from avis.engine.trials.read_ahead import ahead


def counted(taken: list[int], last: int | None = None) -> Iterator[int]:
    for number in itertools.count() if last is None else range(last):
        taken.append(number)
        yield number


def test_items_come_in_their_order_and_no_more_than_so_many_are_taken_ahead():
    taken: list[int] = []
    items = ahead(counted(taken), 3)
    assert [next(items) for _ in range(5)] == [0, 1, 2, 3, 4]
    items.close()
    assert taken == list(range(len(taken)))
    assert len(taken) <= 5 + 3


def test_the_next_is_taken_while_one_is_worked_on():
    begun = threading.Event()

    def items() -> Iterator[int]:
        yield 0
        begun.set()
        yield 1

    first, *rest = (item if begun.wait(60) else None for item in ahead(items(), 1))
    assert (first, rest) == (0, [1])


def test_an_error_is_raised_in_its_place():
    def items() -> Iterator[int]:
        yield 0
        raise ValueError("broken")

    made = ahead(items(), 2)
    assert next(made) == 0
    with pytest.raises(ValueError, match="broken"):
        next(made)


@pytest.mark.parametrize("asked_for", [0, 1, 4])
def test_closing_ends_the_thread_and_closes_what_items_come_from(asked_for: int):
    threads, closed = set(threading.enumerate()), []

    def items() -> Iterator[int]:
        try:
            yield from counted([], 4)
        finally:
            closed.append(True)

    made = ahead(items(), 2)
    assert list(itertools.islice(made, asked_for)) == list(range(asked_for))
    made.close()
    assert set(threading.enumerate()) == threads
    assert closed == ([True] if asked_for else [])
