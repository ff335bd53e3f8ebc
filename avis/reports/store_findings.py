"""The findings of an inspection: what the page of a store shows, and what ``inspect.json`` holds by the same names."""

import dataclasses
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Summary:
    """How many values of a measure are known, and how these are distributed; None where none is known."""

    known: int
    missing: int
    mean: float | None
    min: float | None
    p05: float | None
    median: float | None
    p95: float | None
    max: float | None


@dataclass(frozen=True, kw_only=True)
class Amounts:
    """How much there is of some utterances.

    ``without_speaker`` is how many are of nobody known, ``single_session_speakers`` how many of the speakers have one
    session, and ``speech_hours`` counts the utterances whose speech was measured, None without any. ``measures`` are by
    name.
    """

    utterances: int
    speakers: int
    without_speaker: int
    sessions: int
    single_session_speakers: int
    hours: float
    speech_hours: float | None
    measures: dict[str, Summary]


@dataclass(frozen=True)
class Group:
    """A split, or where ``corpus`` is not None, what a split has of a corpus."""

    split: str
    corpus: str | None
    amounts: Amounts


@dataclass(frozen=True)
class Histogram:
    """Numbers of values between ``edges`` ``[bins + 1]``: for each split ``[bins]``."""

    edges: list[float]
    counts: dict[str, list[int]]


@dataclass(frozen=True)
class RejectedInput:
    """An input that did not become an utterance."""

    path: str
    detail: str


@dataclass(frozen=True)
class Rejects:
    """How many inputs were rejected for one reason."""

    reason: str
    num: int
    examples: list[RejectedInput]


@dataclass(frozen=True)
class Copies:
    """Utterances of the same samples: how many there are, and ids and splits of the first few."""

    copies: int
    utt_ids: list[str]
    splits: list[str]


@dataclass(frozen=True)
class Repeats:
    """Distinct recordings (``groups``) that are in the store more than once, and how many utterances they make."""

    groups: int
    utterances: int
    examples: list[Copies]


@dataclass(frozen=True)
class Duplicates:
    """Recordings that are in the store more than once: under one speaker, and under at least two."""

    within_speaker: Repeats
    across_speakers: Repeats


@dataclass(frozen=True)
class InCommon:
    """How many names two parts of the store have in common, and some of them."""

    num: int
    examples: list[str]


@dataclass(frozen=True)
class Overlap:
    """What two splits, or a split and a trial list, have in common.

    ``audio`` counts recordings of the same samples; an example of them names the utterance in either part.
    """

    between: list[str]
    speakers: InCommon
    sessions: InCommon
    audio: InCommon


@dataclass(frozen=True, kw_only=True)
class TrialCounts:
    """How many trials a list has, and how many of them prove little.

    ``targets`` and ``nontargets`` are those whose answer is known, ``missing`` those left out since the store lacks an
    utterance. ``same_audio`` compare samples with themselves, under one id or two; ``same_session_targets`` are of one
    session, so that microphone and room agree too.
    """

    trials: int
    targets: int
    nontargets: int
    missing: int
    utterances: int
    speakers: int
    same_audio: int
    same_session_targets: int


@dataclass(frozen=True)
class SuspiciousUtterances:
    """How many utterances of each split a rule applies to, and ids of some; ``says`` is the rule in words."""

    rule: str
    says: str
    num: dict[str, int]
    examples: list[str]


@dataclass(frozen=True)
class SpeakerShares:
    """A speaker's utterances, and shares of those where it is known that are quiet and narrow-band."""

    speaker: str
    utterances: int
    quiet: float | None
    narrow_band: float | None


@dataclass(frozen=True)
class SuspiciousSpeakers:
    """How many speakers a rule applies to, and some of them; ``says`` is the rule in words."""

    rule: str
    says: str
    num: int
    examples: list[SpeakerShares]


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All that an inspection finds; ``shared`` is for each pair of parts, ``distributions`` for each known measure."""

    total: Amounts
    groups: list[Group]
    distributions: dict[str, Histogram]
    rejects: list[Rejects]
    duplicates: Duplicates
    shared: list[Overlap]
    trials: dict[str, TrialCounts]
    suspicious_utterances: list[SuspiciousUtterances]
    suspicious_speakers: list[SuspiciousSpeakers]

    def plain(self) -> dict[str, Any]:
        """Return the findings as in ``inspect.json``, where the amounts of a group stand beside its name."""
        plain = dataclasses.asdict(self)
        for group in plain["groups"]:
            group.update(group.pop("amounts"))
        return plain
