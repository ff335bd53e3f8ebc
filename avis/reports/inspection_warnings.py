"""What is wrong, or may be, with a collection of recordings, in plain words."""

from collections.abc import Iterator

from avis.reports.store_findings import Findings

_LEAKS = {
    "speakers": ("speaker", "in both {} and {}: error rates on the one say little of speakers never heard."),
    "sessions": ("session", "in both {} and {}: what is learnt of microphones and rooms is tested."),
    "audio": ("recording", "in both {} and {}, sample by sample."),
}
_SINGULAR = {"are": "is", "were": "was", "have": "has", "belong": "belongs", "compare": "compares", "name": "names"}
_UTTERANCES = {
    "quiet": "near-silent",
    "clipped": "clipped",
    "narrow_band": "narrow-band",
    "mostly_silence": "mostly silence",
}
_SPEAKERS = {
    "few_utterances": ("have", "too few utterances"),
    "near_silent": ("are", "near-silent"),
    "mixed_bandwidth": ("are", "of mixed bandwidth"),
}

MOST_SINGLE_SESSIONS = 0.5
"""Share of the speakers of a split with one session only, above which this is worth a warning."""

MOST_DIFFERENCE = 0.25
"""Difference of the shares of narrow-band utterances in two splits from which the two are called unlike."""


def warnings(findings: Findings) -> list[str]:
    """Return the warnings about a collection, the gravest first: leaks, wrong labels, oddities, what was left out."""
    kinds = (_leaks, _copies, _sessions, _unlike, _odd, _unknown)
    return [warning for kind in kinds for warning in kind(findings)]


def counted(num: int, noun: str, verb: str = "", *, of: str = "") -> str:
    """Return a number with what it counts, and the verb that goes with it.

    >>> counted(1, "utterance", "are"), counted(1234, "trial", "compare", of="of dev")
    ('1 utterance is', '1,234 trials of dev compare')
    """
    words = [f"{num:,}", noun + "s" * (num != 1), of, _SINGULAR.get(verb, verb) if num == 1 else verb]
    return " ".join(filter(None, words))


def _leaks(findings: Findings) -> Iterator[str]:
    for pair in findings.shared:
        for kind, (noun, words) in _LEAKS.items():
            num = getattr(pair, kind).num
            if num:
                yield f"{counted(num, noun, 'are')} {words.format(*pair.between)}"
    for name, trials in findings.trials.items():
        if (trials.targets == 0) != (trials.nontargets == 0):
            kind = "same-speaker" if trials.targets else "different-speaker"
            yield f"The known answers of {name} are all {kind}: no error rate can be had from it."
        if trials.same_audio:
            yield (
                f"{counted(trials.same_audio, 'trial', 'compare', of=f'of {name}')} a recording with itself or an "
                "exact copy, of which the score is always perfect."
            )
        if trials.same_session_targets:
            yield (
                f"{counted(trials.same_session_targets, 'same-speaker trial', 'are', of=f'of {name}')} within one "
                "session: microphone and room agree as well as the voice, which is easy."
            )
        if trials.missing:
            yield (
                f"{counted(trials.missing, 'trial', 'name', of=f'of {name}')} audio that is not here; nothing is "
                "said of it."
            )


def _copies(findings: Findings) -> Iterator[str]:
    across, within = findings.duplicates.across_speakers, findings.duplicates.within_speaker
    if across.groups:
        yield (
            f"{counted(across.groups, 'recording', 'belong')} to several speakers "
            f"({counted(across.utterances, 'utterance')}): "
            "one of the labels is wrong, or one person has two names."
        )
    if within.groups:
        yield (
            f"{counted(within.groups, 'recording', 'are')} there more than once under one speaker, or an unknown one "
            f"({counted(within.utterances, 'utterance')}): copies count more than others, and trials among them are "
            "perfect."
        )


def _sessions(findings: Findings) -> Iterator[str]:
    for group in findings.groups:
        single, speakers = group.amounts.single_session_speakers, group.amounts.speakers
        if group.corpus is None and single > MOST_SINGLE_SESSIONS * speakers:
            yield (
                f"{single:,} of {counted(speakers, 'speaker', 'have', of='of ' + group.split)} one session only: "
                "what is learnt from "
                "them, or tested on them, may be the microphone and the room as well as the voice."
            )


def _unlike(findings: Findings) -> Iterator[str]:
    [narrow] = (row.num for row in findings.suspicious_utterances if row.rule == "narrow_band")
    shares = {}
    for group in findings.groups:
        known = group.amounts.measures["bandwidth_hz"].known
        if group.corpus is None and known:
            shares[group.split] = narrow[group.split] / known
    if shares and max(shares.values()) - min(shares.values()) >= MOST_DIFFERENCE:
        listed = ", ".join(f"{share:.0%} of {split}" for split, share in shares.items())
        yield f"The splits are of different bandwidth: {listed} is narrow-band."


def _odd(findings: Findings) -> Iterator[str]:
    for speakers in findings.suspicious_speakers:
        if speakers.num:
            verb, words = _SPEAKERS[speakers.rule]
            yield f"{counted(speakers.num, 'speaker', verb)} {words} ({speakers.says})."
    for utterances in findings.suspicious_utterances:
        num = sum(utterances.num.values())
        if num:
            yield f"{counted(num, 'utterance', 'are')} {_UTTERANCES[utterances.rule]} ({utterances.says})."


def _unknown(findings: Findings) -> Iterator[str]:
    rejected, utterances = sum(rejects.num for rejects in findings.rejects), findings.total.utterances
    if rejected:
        yield f"{rejected:,} of {counted(rejected + utterances, 'input', 'were')} rejected; the reasons are below."
    if unknown := findings.total.without_speaker:
        yield f"{counted(unknown, 'utterance', 'have')} no speaker: nothing is said of who speaks there."
    missing = {name: summary.missing for name, summary in findings.total.measures.items() if summary.missing}
    if missing:
        listed = ", ".join(f"{name} of {counted(num, 'utterance')}" for name, num in missing.items())
        yield f"Not known, hence neither counted nor judged: {listed}."
