"""What a model was trained on, and the models before it: those it started from, its teachers, and theirs in turn."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from avis.names import shared

UNKNOWN = "unknown, cannot be checked"
NUM_NAMED = 10
CODE_DIGITS = 16
"""Hexadecimal digits of a SHA-256 that make a code: among 10^6 utterances, 10^5 others meet one by chance once in 10^8
lists."""


def audio_codes(sha256: pa.Array | pa.ChunkedArray) -> NDArray[np.int64]:
    """Return the first 8 bytes of the SHA-256 of samples as numbers, ``[utterances]``: the same for the same audio.

    >>> audio_codes(pa.array(["00000000000000ff" + 48 * "a", "ffffffffffffffff" + 48 * "0"]))
    array([255,  -1])
    """
    digits = pc.utf8_slice_codeunits(sha256, 0, CODE_DIGITS)
    flat = digits.combine_chunks() if isinstance(digits, pa.ChunkedArray) else digits
    [joined] = pc.binary_join(pa.ListArray.from_arrays([0, len(flat)], flat), "").to_pylist()
    return np.frombuffer(bytes.fromhex(joined), ">i8").astype(np.int64)


def spelled(found: Mapping[str, str]) -> str:
    """Spell for a message the first few names that models have been trained on, by model.

    >>> spelled({"vox/a": "", "vox/b": "first.ckpt", "vox/c": "first.ckpt"})
    'vox/a; vox/b, vox/c (by first.ckpt, which the model comes from)'
    """
    groups: dict[str, list[str]] = {}
    for name, model in found.items():
        groups.setdefault(model, []).append(name)
    listed = []
    for model, names in sorted(groups.items()):
        more = f" and {len(names) - NUM_NAMED} more" if len(names) > NUM_NAMED else ""
        by = f" (by {model}, which the model comes from)" if model else ""
        listed.append(f"{', '.join(names[:NUM_NAMED])}{more}{by}")
    return "; ".join(listed)


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedOn:
    """What one model was trained on, as far as that is known.

    Attributes
    ----------
    model : str
        Where its checkpoint was when another model came from it; empty for the model that a lineage is of.
    digest : str
        SHA-256 of that file, as far as known.
    speakers : sequence of str or None
        Names of the training speakers, ``<corpus>/<speaker>``; None where they are not known.
    audio : int64 [utterances] or None
        The `audio_codes` of the training utterances; None where they are not known.
    """

    model: str = ""
    digest: str = ""
    speakers: Sequence[str] | None = None
    audio: NDArray[np.int64] | None = None

    @classmethod
    def utterances(cls, rows: pa.Table) -> "TrainedOn":
        """Return what a model is trained on that learns from rows (``speaker``, ``sha256``) of an utterances table."""
        return cls(speakers=sorted(rows["speaker"].unique().to_pylist()), audio=audio_codes(rows["sha256"]))

    @property
    def corpora(self) -> list[str]:
        """Names of the corpora that the speakers are of."""
        return sorted({speaker.partition("/")[0] for speaker in self.speakers or ()})

    def __str__(self) -> str:
        if self.speakers is None:
            return UNKNOWN
        audio = "" if self.audio is not None else ", utterances unknown"
        return f"{len(self.speakers):,} speakers of {', '.join(self.corpora)}{audio}"


@dataclass(frozen=True, eq=False)
class Lineage:
    """What a model was trained on, first of all, and what the models before it were.

    Attributes
    ----------
    models : tuple of TrainedOn
    """

    models: tuple[TrainedOn, ...] = ()

    @classmethod
    def joined(cls, lineages: Iterable["Lineage"]) -> "Lineage":
        """Return that of several models together, each model once."""
        return cls(tuple({each.digest or each.model: each for of in lineages for each in of.models}.values()))

    @property
    def own(self) -> TrainedOn:
        """What the model itself was trained on."""
        return self.models[0]

    @property
    def before(self) -> "Lineage":
        """That of the models before it."""
        return Lineage(self.models[1:])

    def then(self, own: TrainedOn) -> "Lineage":
        """Return that of a model that comes from these and is trained on ``own``."""
        return Lineage((own, *self.models))

    def as_parent(self, uri: str, digest: str) -> "Lineage":
        """Return what a model inherits that comes from this one, whose checkpoint is at ``uri``."""
        return self.before.then(replace(self.own, model=uri, digest=digest))

    @property
    def speakers(self) -> set[str]:
        """All speakers that are known to have been trained on."""
        return {speaker for each in self.models for speaker in each.speakers or ()}

    def seen(self, speakers: Collection[str]) -> dict[str, str]:
        """Return those of some speakers that were trained on, with the model that was; see `TrainedOn.model`."""
        found: dict[str, str] = {}
        for each in reversed(self.models):
            found |= dict.fromkeys(shared(speakers, each.speakers or ()), each.model)
        return dict(sorted(found.items()))

    def heard(self, codes: NDArray[np.int64]) -> dict[int, str]:
        """Return the places of those of some `audio_codes` that were trained on, with the model, as `seen` does."""
        found: dict[int, str] = {}
        for each in reversed(self.models):
            if each.audio is not None and len(each.audio):
                ordered = np.sort(each.audio)
                nearest = ordered.take(np.searchsorted(ordered, codes), mode="clip")
                found |= dict.fromkeys(np.flatnonzero(nearest == codes).tolist(), each.model)
        return dict(sorted(found.items()))

    def warnings(self) -> list[str]:
        """Say of which models nobody knows what they were trained on."""
        unknown = [each.model for each in self.models if each.speakers is None]
        names = [f"the model that this one comes from ({model})" if model else "this model" for model in unknown]
        return [
            f"What {name} was trained on: {UNKNOWN}. It may know these speakers, and the figures be too good."
            for name in names
        ]

    def __str__(self) -> str:
        own, *before = self.models
        return "; ".join([str(own), *(f"before that {each.model} on {each}" for each in before)])
