"""Let what items come from go on while they are worked on."""

from collections import deque
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, cast

Item = TypeVar("Item")


def ahead(items: Generator[Item, None, None], most: int) -> Generator[Item, None, None]:
    """Yield items that a thread of its own takes, up to ``most`` of them before they are asked for.

    Closing it ends the thread, as soon as the item that it is at is there, and closes ``items``.

    Examples
    --------
    >>> list(ahead((number * number for number in range(4)), 2))
    [0, 1, 4, 9]
    """
    end = object()
    thread = ThreadPoolExecutor(1, "ahead")
    try:
        taken = deque(thread.submit(next, items, end) for _ in range(most))
        while (item := taken.popleft().result()) is not end:
            taken.append(thread.submit(next, items, end))
            yield cast(Item, item)
    finally:
        thread.shutdown(cancel_futures=True)
        items.close()
