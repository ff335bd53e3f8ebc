"""What is wrong, or may be, with a collection of recordings, in plain words."""

from collections.abc import Iterator, Mapping
from typing import Any

Findings = Mapping[str, Any]

_LEAKS = {
    "speakers": "{} speakers are in both {} and {}: error rates on the one say little of speakers never heard.",
    "sessions": "{} sessions are in both {} and {}: what is learnt of their microphones and rooms is tested.",
    "audio": "{} recordings are in both {} and {}, sample by sample.",
}
_UTTERANCES = {
    "quiet": "near-silent",
    "clipped": "clipped",
    "narrow_band": "narrow-band",
    "mostly_silence": "mostly silence",
}
_SPEAKERS = {
    "few_utterances": "have too few utterances",
    "near_silent": "are near-silent",
    "mixed_bandwidth": "are of mixed bandwidth",
}

MOST_SINGLE_SESSIONS = 0.5
"""Share of the speakers of a split with one session only, above which this is worth a warning."""

MOST_DIFFERENCE = 0.25
"""Difference of the shares of narrow-band utterances in two splits from which the two are called unlike."""


def warnings(found: Findings) -> list[str]:
    """Return the warnings about a collection, the gravest first: leaks, wrong labels, what is odd, what was left out.

    Parameters
    ----------
    found
        What `avis.engine.inspection.findings` returns.
    """
    return [*_leaks(found), *_copies(found), *_sessions(found), *_unlike(found), *_odd(found), *_unknown(found)]


def _leaks(found: Findings) -> Iterator[str]:
    for pair in found["shared"]:
        for kind, words in _LEAKS.items():
            if pair[kind]["num"]:
                yield words.format(f"{pair[kind]['num']:,}", *pair["between"])
    for name, trials in found["trials"].items():
        if trials["same_audio"]:
            yield (
                f"{trials['same_audio']:,} trials of {name} compare a recording with itself or an exact copy; their "
                "score is always perfect."
            )
        if trials["same_session_targets"]:
            yield (
                f"{trials['same_session_targets']:,} same-speaker trials of {name} are within one session: microphone "
                "and room agree as well as the voice, which makes them easy."
            )
        if trials["missing"]:
            yield f"{trials['missing']:,} trials of {name} name audio that is not here; nothing is said of them."


def _copies(found: Findings) -> Iterator[str]:
    across, within = (found["duplicates"][kind] for kind in ("across_speakers", "within_speaker"))
    if across["groups"]:
        yield (
            f"{across['groups']:,} recordings belong to several speakers ({across['utterances']:,} utterances): "
            "one of the labels is wrong, or one person has two names."
        )
    if within["groups"]:
        yield (
            f"{within['groups']:,} recordings are there more than once under one speaker "
            f"({within['utterances']:,} utterances): they count more than others, and trials among them are perfect."
        )


def _sessions(found: Findings) -> Iterator[str]:
    for group in found["groups"]:
        single, speakers = group["single_session_speakers"], group["speakers"]
        if group["corpus"] is None and single > MOST_SINGLE_SESSIONS * speakers:
            yield (
                f"{single:,} of {speakers:,} speakers of {group['split']} have one session only: what is learnt from "
                "them, or tested on them, may be the microphone and the room as well as the voice."
            )


def _unlike(found: Findings) -> Iterator[str]:
    [narrow] = (row["num"] for row in found["suspicious_utterances"] if row["rule"] == "narrow_band")
    shares = {}
    for group in found["groups"]:
        known = group["measures"]["bandwidth_hz"]["known"]
        if group["corpus"] is None and known:
            shares[group["split"]] = narrow[group["split"]] / known
    if shares and max(shares.values()) - min(shares.values()) >= MOST_DIFFERENCE:
        listed = ", ".join(f"{share:.0%} of {split}" for split, share in shares.items())
        yield f"The splits are of different bandwidth: {listed} is narrow-band."


def _odd(found: Findings) -> Iterator[str]:
    for row in found["suspicious_speakers"]:
        if row["num"]:
            yield f"{row['num']:,} speakers {_SPEAKERS[row['rule']]} ({row['says']})."
    for row in found["suspicious_utterances"]:
        num = sum(row["num"].values())
        if num:
            yield f"{num:,} utterances are {_UTTERANCES[row['rule']]} ({row['says']})."


def _unknown(found: Findings) -> Iterator[str]:
    rejected, utterances = sum(row["num"] for row in found["rejects"]), found["total"]["utterances"]
    if rejected:
        yield f"{rejected:,} of {rejected + utterances:,} inputs were rejected; the reasons are below."
    missing = {name: summary["missing"] for name, summary in found["total"]["measures"].items() if summary["missing"]}
    if missing:
        listed = ", ".join(f"{name} of {num:,} utterances" for name, num in missing.items())
        yield f"Not known, hence neither counted nor judged: {listed}."
