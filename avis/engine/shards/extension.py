"""Plan how a store grows: shards of unchanged files are taken over, others are made again, new files follow."""

import contextlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import avis
from avis import location, store
from avis.engine.shards.places import where_they_lie_now
from avis.engine.shards.sharding import Sharding, cut, place
from avis.engine.shards.wrong_rejects import wrong_rejects
from avis.names import names
from avis.schema import PLACED

KEY = ("utt_id", "path", "split")
"""What a row is recognised by; its place in the store stays while these stay as they are."""

STORES_COMPARED = 3


@dataclass(frozen=True)
class Extension:
    """What an extended store takes over from its base, what is to be made, and how many files that comes from.

    Attributes
    ----------
    unchanged_files : dict
        Files that stay where they are, as in a manifest.
    tasks : dict of str to pyarrow.Table
        As `avis.engine.shards.sharding.plan_shards` returns them: shards of the base that lost or changed a row, under
        their old names, and the new ones, numbered on.
    num_unchanged : int
        Number of shards that stay.
    same, new, changed, removed : int
        Files, or segments of them, by what became of them since the base was made; changed are also those that were
        rejected because their storage failed.
    """

    unchanged_files: dict[str, dict[str, Any]]
    tasks: dict[str, pa.Table]
    num_unchanged: int
    same: int
    new: int
    changed: int
    removed: int

    @property
    def differs(self) -> bool:
        """Whether the base is of other files than these."""
        return self.new + self.changed + self.removed > 0

    def __str__(self) -> str:
        return f"{self.new} files new, {self.changed} changed, {self.removed} removed"


def plan_extension(base: str, sources: pa.Table, sharding: Sharding) -> Extension:
    """Compare sources with those that a finished store was made from.

    Raises
    ------
    ValueError
        If the base is unfinished or damaged, was made with other settings, or too few of its held-out speakers are
        left.
    """
    manifest = store.open_manifest(base)
    _check_settings(base, manifest, sharding)
    files = [(file, info) for file, info in sorted(manifest["files"].items()) if file.startswith("sources/")]
    names = [store.part_of(file) for file, _ in files]
    tables = [store.open_part(store.file_uri(base, file, info)).read() for file, info in files]
    old = pa.concat_tables([PLACED.empty_table(), *(where_they_lie_now(table, sources) for table in tables)]).cast(
        PLACED
    )
    rows = place(sources, _held_out(old))
    _check_held_out(base, rows)
    match = _match(old, rows)
    changed = _changed(old, rows, match) | _wrongly_rejected(old, wrong_rejects(base, manifest["files"], rows))
    unchanged, tasks, start = set(), {}, 0
    for name, table in zip(names, tables, strict=True):
        here = slice(start, start := start + len(table))
        if (match[here] >= 0).all() and not changed[here].any():
            unchanged.add(name)
        elif (match[here] >= 0).any():
            tasks[name] = rows.take(match[here][match[here] >= 0])
    new = np.setdiff1d(np.arange(len(rows)), match)
    first: dict[str, int] = {}
    for split, number in (name.rsplit("-", 1) for name in names):
        first[split] = max(first.get(split, 0), int(number) + 1)
    tasks |= cut(rows.take(new), sharding, first=first, min_rows=sharding.row_group_rows)
    removed = int((match < 0).sum())
    return Extension(
        unchanged_files={file: info for file, info in manifest["files"].items() if store.part_of(file) in unchanged},
        tasks=tasks,
        num_unchanged=len(unchanged),
        same=len(old) - removed - int(changed.sum()),
        new=len(new),
        changed=int(changed.sum()),
        removed=removed,
    )


def extendable(stores: str, sources: pa.Table, sharding: Sharding) -> tuple[str, Extension] | None:
    """Return the newest store of a folder that holds some of the sources already, of the few newest, or None."""
    found = [location.look_up(location.join(stores, name, store.MANIFEST)) for name in location.names_in(stores)]
    manifests = sorted((info for info in found if info.is_file), key=lambda info: -(info.mtime_ns or 0))
    for info in manifests[:STORES_COMPARED]:
        base = location.join(stores, info.path.split("/")[-2])
        with contextlib.suppress(ValueError):  # of other settings, or damaged: nothing to go on from
            extension = plan_extension(base, sources, sharding)
            if extension.same:
                return base, extension
    return None


def _held_out(rows: pa.Table) -> set[str]:
    held_out = rows.filter(pc.equal(rows["split"], "validation"))["speaker"]
    return set(names(held_out, where="speakers held out of the base").unique().to_pylist())


def _match(old: pa.Table, rows: pa.Table) -> np.ndarray:
    """Return for each old row the index of the same one in ``rows``, or -1."""
    places: dict[tuple[str, ...], list[int]] = {}
    for index, key in enumerate(zip(*(rows[name].to_pylist() for name in KEY), strict=True)):
        places.setdefault(key, []).append(index)
    keys = zip(*(old[name].to_pylist() for name in KEY), strict=True)
    return np.array([places[key].pop(0) if places.get(key) else -1 for key in keys], dtype=np.int64)


def _changed(old: pa.Table, rows: pa.Table, match: np.ndarray) -> np.ndarray:
    """Return for each old row whether it is still there, but otherwise than it was."""
    there = np.flatnonzero(match >= 0)
    before, now = old.take(there), rows.take(match[there])
    changed = np.zeros(len(old), dtype=bool)
    for name in PLACED.names:
        if not before[name].equals(now[name]):
            pairs = zip(before[name].to_pylist(), now[name].to_pylist(), strict=True)
            changed[there] |= np.array([one != other for one, other in pairs])
    return changed


def _wrongly_rejected(old: pa.Table, wrong: set[tuple[str, str]]) -> np.ndarray:
    return np.array(
        [key in wrong for key in zip(old["utt_id"].to_pylist(), old["path"].to_pylist(), strict=True)], bool
    )


def _check_settings(base: str, manifest: dict[str, Any], sharding: Sharding) -> None:
    settings = {"avis": avis.__version__, **sharding.made_from}
    of_base = {"avis": manifest.get("avis"), **manifest.get("sharding", {})}
    differing = [key for key, value in settings.items() if of_base.get(key) != value]
    if differing:
        got, expected = (", ".join(f"{key}={of.get(key)}" for key in differing) for of in (settings, of_base))
        raise ValueError(
            f"store of other settings: got {got}, expected {expected} as in the store that is extended. "
            f"At extends={base}. Take its settings, or make a store of its own (extends=null)."
        )


def _check_held_out(base: str, rows: pa.Table) -> None:
    held_out = _held_out(rows)
    if "train" in rows["split"].unique().to_pylist() and len(held_out) < 2:
        raise ValueError(
            f"held-out speakers: got {len(held_out)} of those that the store holds out, expected at least 2. "
            f"At extends={base}. Make a store of its own (extends=null)."
        )
