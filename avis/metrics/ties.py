"""Where targets lie among non-targets, equal scores taken together: both rising ``[trials]``."""

import numpy as np
from numpy.typing import NDArray


def bends(targets: NDArray, nontargets: NDArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many targets and non-targets are below each threshold where the curve may bend, from none to all."""
    start, end, left, right = tie_groups(targets, nontargets)
    below = np.zeros((2, 2 * start.size + 2), dtype=np.int64)
    below[:, 1:-1:2], below[:, 2:-1:2] = (start, left), (end, right)
    below[:, -1] = targets.size, nontargets.size
    below = below[:, np.append(True, np.any(below[:, 1:] != below[:, :-1], axis=0))]
    inner = below[:, 1:-1]
    flat = np.any((below[:, :-2] == inner) & (inner == below[:, 2:]), axis=0)
    targets_below, nontargets_below = below[:, np.concatenate(([True], ~flat, [True]))]
    return targets_below, nontargets_below


def tie_groups(targets: NDArray, nontargets: NDArray) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Return, for each distinct score of a target, how many targets are below and not above it, and non-targets so."""
    start = np.flatnonzero(np.append(True, targets[1:] != targets[:-1]))[: targets.size]
    end = np.append(start[1:], targets.size)[: start.size]
    distinct = targets[start]
    left = np.searchsorted(nontargets, distinct)
    inside = int(np.searchsorted(left, nontargets.size))
    shared = np.flatnonzero(nontargets[left[:inside]] == distinct[:inside])
    right = left.copy()
    right[shared] = np.searchsorted(nontargets, distinct[shared], side="right")
    return start, end, left, right
