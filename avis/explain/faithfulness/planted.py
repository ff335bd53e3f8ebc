"""Evidence whose place is known: another voice spliced into a recording, and what says nothing put in place of speech.

The splice follows Li et al., "Reliable visualization for deep speaker recognition", Interspeech 2022
(https://arxiv.org/abs/2204.03852), who asked whether saliency maps find one speaker among several.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from avis.audio.audio_error import AudioError
from avis.audio.codec import to_float
from avis.audio.vad import find_speech, trim
from avis.explain.faithfulness.maps import Map, map_of, side, spearman
from avis.explain.side import Side
from avis.metrics.roc import area_under_curve
from avis.verifier.embedder import Source
from avis.verifier.verifier import Verifier

CROSS_FADE_S = 0.02
NUISANCE_S = 1.0
TONE_HZ = 1000.0

Nuisance = Literal["noise", "silence", "tone"]
NUISANCES: tuple[Nuisance, ...] = ("noise", "silence", "tone")


class Splice(NamedTuple):
    """A recording of one voice with a stretch of another.

    Attributes
    ----------
    samples : float32 [samples]
    start, end : int
        First sample of the stretch, and the one after its last: in the middle of the cross-fades.
    """

    samples: NDArray[np.float32]
    start: int
    end: int


class Planted(NamedTuple):
    """Maps of a recording of two voices.

    Attributes
    ----------
    maps : (Map, Map)
        By the enrolment of the one person, and of the other.
    of_other : bool [frames]
        Where the other speaks.
    """

    maps: tuple[Map, Map]
    of_other: NDArray[np.bool_]

    def smoothed(self, over_s: float) -> "Planted":
        """Return it with both maps smoothed."""
        return Planted((self.maps[0].smoothed(over_s), self.maps[1].smoothed(over_s)), self.of_other)


class Located(NamedTuple):
    """How well a map finds a planted voice.

    Attributes
    ----------
    auc, auc_of_other : float
        How often a frame of the enrolled person has a higher share than one of the other, by the enrolment of the one
        and of the other: 1 if always, 0.5 for a map that knows nothing.
    rho : float
        Spearman's correlation of the two maps: below 0 if the map turns over as the enrolment is exchanged.
    """

    auc: float
    auc_of_other: float
    rho: float


class Replaced(NamedTuple):
    """What a stretch of a recording adds to the evidence.

    Attributes
    ----------
    speech, nuisance : float
        Before and after something that says nothing was put in its place, in the unit of evidence.
    """

    speech: float
    nuisance: float


def splice(one: NDArray[np.float32], other: NDArray[np.float32], *, sample_rate: int) -> Splice:
    """Put the middle of another recording into the middle of one, cross-faded, at its level.

    The stretch is half as long as the one, so that all three parts are equal, or as long as the other recording.
    """
    fade = round(CROSS_FADE_S * sample_rate)
    length = min(len(one) // 2, len(other))
    assert length > 2 * fade, "a recording is far longer than a cross-fade"
    start = (len(other) - length) // 2
    stretch = other[start : start + length] * (_rms(one) / max(_rms(other), 1e-9))
    at = len(one) // 2
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    parts = [
        one[: at - fade],
        one[at - fade : at] * (1 - ramp) + stretch[:fade] * ramp,
        stretch[fade:-fade],
        stretch[-fade:] * (1 - ramp) + one[at : at + fade] * ramp,
        one[at + fade :],
    ]
    begin = at - fade // 2
    return Splice(np.concatenate(parts).astype(np.float32), begin, begin + length - fade)


def plant(verifier: Verifier, enrolments: tuple[Side, Side], tests: tuple[Source, Source]) -> Planted | None:
    """Splice a test recording of a second person into one of a first, and explain it by the enrolments of both.

    Silence before and after the speech of either is cut off. None where the model has no map or nobody is heard.
    """
    rate = verifier.hearing.sample_rate
    voices = [_spoken(verifier, each) for each in tests]
    if voices[0] is None or voices[1] is None:
        return None
    planted = splice(voices[0], voices[1], sample_rate=rate)
    test = side(verifier, (planted.samples, rate))
    maps = [map_of(verifier, each, test) for each in enrolments]
    if maps[0] is None or maps[1] is None:
        return None
    of_other = maps[0].within(planted.start / rate, planted.end / rate)
    if of_other.all() or not of_other.any():
        return None
    return Planted((maps[0], maps[1]), of_other)


def located(planted: Planted) -> Located:
    """Tell how well two maps know a planted voice."""
    one, other = (each.llr for each in planted.maps)
    return Located(
        auc=area_under_curve(one, ~planted.of_other),
        auc_of_other=area_under_curve(other, planted.of_other),
        rho=spearman(one, other),
    )


def replaced(verifier: Verifier, enroll: Side, test: Side, kind: Nuisance) -> Replaced | None:
    """Put noise at the level of the recording, silence or a tone in place of its middle second, and read its share.

    None of a recording that is not three times as long, and where the model has no map or nobody is heard.
    """
    before = map_of(verifier, enroll, test)
    if before is None:
        return None
    samples, rate = to_float(test.heard[0].values).copy(), verifier.hearing.sample_rate
    num = round(NUISANCE_S * rate)
    if len(samples) < 3 * num:
        return None
    start = (len(samples) - num) // 2
    samples[start : start + num] = _nuisance(kind, num, rms=_rms(samples), sample_rate=rate)
    after = map_of(verifier, enroll, side(verifier, (samples, rate)))
    if after is None:
        return None
    heard = test.heard[0].given_s(np.array([start, start + num]))
    return Replaced(_share(before, *heard), _share(after, start / rate, (start + num) / rate))


def _share(of: Map, start_s: float, end_s: float) -> float:
    return float(of.llr[of.within(start_s, end_s)].sum())


def _nuisance(kind: Nuisance, num: int, *, rms: float, sample_rate: int) -> NDArray[np.float32]:
    if kind == "silence":
        return np.zeros(num, np.float32)
    if kind == "noise":
        return (rms * np.random.default_rng(0).normal(size=num)).astype(np.float32)
    turns = TONE_HZ * np.arange(num) / sample_rate
    return (rms * np.sqrt(2) * np.sin(2 * np.pi * turns)).astype(np.float32)


def _spoken(verifier: Verifier, source: Source) -> NDArray[np.float32] | None:
    """Return a recording from its first to its last speech, None where there is none."""
    heard = side(verifier, source).heard
    if not heard:
        return None
    samples, rate = to_float(heard[0].values), heard[0].sample_rate
    speech = find_speech(samples, sample_rate=rate, vad="energy")
    try:
        spoken: NDArray[np.float32] = trim(samples, speech, sample_rate=rate, keep="ends", where="a test recording")
    except AudioError:
        return None
    return spoken


def _rms(samples: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(samples), dtype=np.float64)))
