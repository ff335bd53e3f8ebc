"""What the ratio would be if the recordings were otherwise: made so, heard and scored again, as any trial is."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from avis.explain.conditions import at_rate, by_telephone, without_noise
from avis.explain.heard import Heard
from avis.explain.record import Counterfactual
from avis.explain.side import Side
from avis.verifier.embedder import Voiceprint
from avis.verifier.side_by_side import side_by_side
from avis.verifier.verifier import Verifier

SHORT_S = 2.0
LOW_RATE_HZ = 8000
MOST_SNR_DB = 25.0
"""Above which there is no noise worth taking away."""

Changed = NDArray[np.int16] | None
"""A recording, or None where it is not changed."""


def _half(heard: Heard) -> Changed:
    return heard.values[: len(heard.values) // 2]


def _short(heard: Heard) -> Changed:
    num = round(SHORT_S * heard.sample_rate)
    return heard.values[:num] if len(heard.values) > num else None


def _at_low_rate(heard: Heard) -> Changed:
    if heard.sample_rate <= LOW_RATE_HZ:
        return None
    return at_rate(heard.values, sample_rate=heard.sample_rate, rate=LOW_RATE_HZ)


def _by_telephone(heard: Heard) -> Changed:
    return by_telephone(heard.values, sample_rate=heard.sample_rate)


def _without_noise(heard: Heard) -> Changed:
    snr_db = heard.voiceprint.quality.get("snr_db")
    if snr_db is None or snr_db >= MOST_SNR_DB:
        return None
    return without_noise(heard.values, sample_rate=heard.sample_rate)


CHANGES: dict[str, Callable[[Heard], Changed]] = {
    "half of the speech": _half,
    f"cut to {SHORT_S:.0f} s": _short,
    "at 8 kHz": _at_low_rate,
    "telephone band": _by_telephone,
    "without the noise": _without_noise,
}


def counterfactuals(verifier: Verifier, sides: tuple[Side, Side]) -> list[Counterfactual]:
    """Verify a trial again under every change of `CHANGES` that changes anything.

    Both sides are changed, each of their recordings as it was heard; what is not at hand as audio stays.

    Returns
    -------
    list of Counterfactual
        Ratios as `Verifier.verify` has them: with fewer seconds of speech where the change leaves fewer.
    """
    tasks = [(name, heard) for name in CHANGES for side in sides for heard in side.heard]
    voiceprints = side_by_side(lambda task: _changed(verifier, *task), tasks)
    return [*_verified(verifier, sides, voiceprints)]


def _verified(
    verifier: Verifier, sides: tuple[Side, Side], voiceprints: Iterator[Voiceprint | None]
) -> Iterator[Counterfactual]:
    for name in CHANGES:
        changed = [[next(voiceprints) for _ in side.heard] for side in sides]
        if any(each is not None for of_side in changed for each in of_side):
            verdict = verifier.verify(*(_joined(verifier, *each) for each in zip(sides, changed, strict=True)))
            llr = verdict.llr if verifier.calibration else verdict.score
            yield Counterfactual(change=name, llr=llr, outcome=verdict.outcome)


def _changed(verifier: Verifier, name: str, heard: Heard) -> Voiceprint | None:
    values = CHANGES[name](heard)
    return None if values is None else verifier.embed((values, heard.sample_rate))


def _joined(verifier: Verifier, side: Side, changed: list[Voiceprint | None]) -> Voiceprint:
    """Return the voiceprint of a side some of whose recordings are changed."""
    if not side.heard:
        return side.voiceprint
    voiceprints = [each or heard.voiceprint for each, heard in zip(changed, side.heard, strict=True)]
    with_voice = [each for each in voiceprints if each.embedding is not None]
    if len(voiceprints) == 1 or not with_voice:
        return voiceprints[0]
    embeddings = np.stack([each.embedding for each in with_voice if each.embedding is not None])
    return verifier.voiceprint_of(embeddings, float(np.mean([each.speech_s for each in with_voice])))
