"""Compare a stream of audio with an enrolled voice while it comes in."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avis.audio.audio_error import AudioError
from avis.audio.channels import best_channel, reduce_channels
from avis.audio.codec import to_float
from avis.audio.decode import GIVEN
from avis.audio.quality import HOP_S, frame_levels_db, speech_frames
from avis.verifier.embedder import LEAST_SPEECH_S, UNHEARD, Source, Voiceprint, take
from avis.verifier.verdict import Verdict
from avis.verifier.verifier import Verifier

BLOCK_S = 0.5
"""Speech is looked for in blocks of this length, so that no verdict depends on the size of the chunks."""

STEP_S, STEP_SHARE = 0.5, 0.1
"""A verdict is renewed after so many seconds of speech, or so much of that which was heard before, if that is more."""

REMEMBERED_S = 20.0
"""Speech is told by the levels of so many seconds: among those of more, a word after a long pause would be too rare."""


@dataclass(frozen=True, kw_only=True)
class _Heard:
    """What was heard so far. It is never changed, so that a chunk is heard as a whole or not at all.

    Attributes
    ----------
    rest : float32 [samples, channels]
        What does not fill a block yet.
    blocks : tuple of float32 [samples, channels]
        Of the window that is not full yet.
    levels_db : float [frames]
        Of the last `REMEMBERED_S`.
    speech_s, due_s : float
        Speech in all blocks, and how much there is to be when the verdict is next renewed.
    kept : (Voiceprint, int) or None
        Of the windows that are full, and of how many samples it is.
    """

    rest: NDArray[np.float32]
    levels_db: NDArray[np.floating]
    blocks: tuple[NDArray[np.float32], ...] = ()
    speech_s: float = 0.0
    due_s: float = STEP_S
    kept: tuple[Voiceprint, int] | None = None


class Session:
    """Compare a stream of audio with an enrolled voice while it comes in.

    `verdict` is that of `Verifier.verify` on all that was heard when it was last renewed: when there was as much speech
    as ``min_speech_s``, and again after each `STEP_S` of new speech or, once that is more, `STEP_SHARE` of all speech.
    In between, and while nobody speaks, it stays the same object. What is new speech is told by the level of frames
    (see `avis.audio.quality.speech_frames`), in blocks of `BLOCK_S`: music, bangs and other voices pass for it.

    How much was spoken is told as in a recording, where speech counts once it is more than a twentieth of its window:
    after a minute's pause, from 3 s on. An answer that was given is not taken back for that.

    A stream longer than the verifier's longest window is embedded in windows, each once; the embedding of all is their
    mean by length. Windows with less than `LEAST_SPEECH_S` of speech don't count. So an hour costs no more memory than
    one window does, and the more was heard the rarer is the work.

    Parameters
    ----------
    verifier : Verifier
    target : Source or Voiceprint
        The enrolled voice; see `Verifier.embed`.
    min_speech_s : float
        With less speech the verdict is ``not_heard``.

    Raises
    ------
    ValueError
        If there is no voice in the target, or ``min_speech_s`` is less than `LEAST_SPEECH_S` or not finite.

    Notes
    -----
    The error rates of a verifier are those of one verdict, at a moment that was chosen without a look at any. Whoever
    looks at each and stops at the first ``match`` accepts strangers more often: every verdict is one more chance to
    err. What a likelihood ratio promises then:

    - At each verdict, where the calibration holds for so much speech, a stranger's ratio has a mean of 1, and reaches t
      with a probability of 1/t at most (Markov). At any of K verdicts it does so with K/t at most. K is up to 2 for
      each second of speech below 5 s, and 10.5 ln(seconds / 5) beyond.
    - That it *ever* reaches t with a probability of 1/t at most (Ville), on which Wald's sequential test rests, holds
      for a martingale: ratios of which each is the one before times that of what is new, given all before. These are
      none, being each of the whole, embedded anew.

    So choose a ``min_speech_s`` that is enough and take the first answer, or decide when the stream is closed, or, to
    stop early, ask for a ratio that is K times the threshold's.

    Attributes
    ----------
    verdict : Verdict
        On what was heard.
    """

    def __init__(self, verifier: Verifier, target: Source | Voiceprint, *, min_speech_s: float = 2.0) -> None:
        if not LEAST_SPEECH_S <= min_speech_s < np.inf:
            raise ValueError(
                f"speech for an answer out of range: got min_speech_s={min_speech_s} s, expected {LEAST_SPEECH_S} s or "
                "more. At Session. Correct it."
            )
        self.verifier, self.target, self.min_speech_s = verifier, verifier.embed(target), min_speech_s
        if self.target.embedding is None:
            raise ValueError(
                f"nobody to compare with: got a recording without a voice ({self.target.unheard}), expected one. At "
                "the target of Session. Enrol another."
            )
        self._heard: _Heard | None = None
        self._rate, self._is_closed = 0, False
        self.verdict = self._judged(replace(self.target, embedding=None, speech_s=0.0, quality={}, sha256=""))

    def hear(self, samples: NDArray[Any], rate: int) -> Verdict:
        """Hear what comes next, and return the verdict.

        Parameters
        ----------
        samples : array
            int16, or floats within [-1, 1]: ``[samples]`` or ``[samples, channels]``, as many as there are, also none.
        rate : int
            Hz; as the number of channels, the same throughout.

        Raises
        ------
        ValueError
            If they are no audio, NaN, far above full scale or of another rate or number of channels than before, or the
            session is closed. Nothing was heard then, and the session can go on.
        """
        if self._is_closed:
            raise ValueError(
                "session is over: got more samples, expected none after close(). At Session.hear. Begin another one."
            )
        chunk = self._checked(samples, rate)
        if not len(chunk):
            return self.verdict
        heard = self._heard or _Heard(rest=chunk[:0], levels_db=np.zeros(0))
        if self._heard and (rate, chunk.shape[1]) != (self._rate, heard.rest.shape[1]):
            raise ValueError(
                f"stream has changed: got {chunk.shape[1]} channels at {rate} Hz, expected {heard.rest.shape[1]} at "
                f"{self._rate} Hz as before. At Session.hear. Begin another session."
            )
        rest, length, verdict = np.concatenate([heard.rest, chunk]), round(BLOCK_S * rate), self.verdict
        while len(rest) >= length:
            heard, rest = self._with_block(heard, rest[:length].copy(), rate), rest[length:]
            if heard.speech_s >= heard.due_s:
                heard = replace(heard, due_s=heard.speech_s + max(STEP_S, STEP_SHARE * heard.speech_s))
                renewed = self._judged(self._voiceprint(heard, rate)[0])
                verdict = verdict if renewed.outcome == "not_heard" != verdict.outcome else renewed
        self._heard, self._rate, self.verdict = replace(heard, rest=rest.copy()), rate, verdict
        return verdict

    def close(self) -> Verdict:
        """End the stream, and return the verdict on all of it: that of `Verifier.verify` on it as one recording.

        This is so where the stream is no longer than the verifier's longest window. What came after the last verdict
        counts, so that it may differ from that, even where nobody spoke.
        """
        if self._heard and not self._is_closed:
            heard, rest = self._heard, self._heard.rest
            if len(rest):
                heard = self._with_room(heard, self._rate)
                heard = replace(heard, blocks=(*heard.blocks, rest))
            self.verdict = self._judged(self._voiceprint(heard, self._rate)[0])
        self._is_closed = True
        return self.verdict

    def _checked(self, samples: NDArray[Any], rate: int) -> NDArray[np.float32]:
        """Return a chunk as float32 ``[samples, channels]``, if a recording of it alone would not be refused."""
        try:
            take(replace(self.verifier.hearing, vad=None, trim="none"), (samples, rate))
        except AudioError as error:
            if error.reason not in (*UNHEARD, "empty"):
                raise
        samples = np.asarray(samples)
        if samples.dtype.kind != "f" and samples.dtype != np.int16:
            raise ValueError(
                f"no chunk of audio: got {samples.dtype}, expected int16 or floats within [-1, 1]. At Session.hear. "
                "Convert it."
            )
        floats = to_float(samples) if samples.dtype == np.int16 else samples.astype(np.float32)
        return floats.reshape(len(floats), -1) if len(floats) else np.zeros((0, 1), np.float32)

    def _with_block(self, heard: _Heard, block: NDArray[np.float32], rate: int) -> _Heard:
        heard = self._with_room(heard, rate)
        one = reduce_channels(block, self.verifier.hearing.channel, where=GIVEN)
        one = best_channel(one, sample_rate=rate) if one.ndim == 2 else one
        here_db = frame_levels_db(one, sample_rate=rate)
        levels_db = np.concatenate([heard.levels_db, here_db])[-round(REMEMBERED_S / HOP_S) :]
        is_speech = speech_frames(here_db) & speech_frames(levels_db)[-len(here_db) :]
        speech_s = heard.speech_s + float(np.count_nonzero(is_speech) * HOP_S)
        return replace(heard, blocks=(*heard.blocks, block), levels_db=levels_db, speech_s=speech_s)

    def _with_room(self, heard: _Heard, rate: int) -> _Heard:
        """Return it with a window that is not full."""
        if len(heard.blocks) < self._most_blocks:
            return heard
        return replace(heard, kept=self._voiceprint(heard, rate), blocks=())

    @property
    def _most_blocks(self) -> int:
        return int(self.verifier.parts.max_window_s / BLOCK_S)

    def _voiceprint(self, heard: _Heard, rate: int) -> tuple[Voiceprint, int]:
        """Return what the model makes of all windows, and of how many samples it is."""
        window = np.concatenate(heard.blocks)
        last = self.verifier.embed((window, rate)), len(window)
        return last if heard.kept is None else _joined(heard.kept, last)

    def _judged(self, voiceprint: Voiceprint) -> Verdict:
        if voiceprint.speech_s < self.min_speech_s:
            too_little = f"{voiceprint.speech_s:.1f} s of speech, of which {self.min_speech_s} s are the least"
            voiceprint = replace(voiceprint, embedding=None, unheard=voiceprint.unheard or too_little)
        return self.verifier.verify(self.target, voiceprint)


def _joined(first: tuple[Voiceprint, int], second: tuple[Voiceprint, int]) -> tuple[Voiceprint, int]:
    """Return the mean by length of two voiceprints, or the one that has an embedding."""
    (one, num_one), (other, num_other) = first, second
    if one.embedding is None:
        return second
    if other.embedding is None:
        return first
    num = num_one + num_other
    joined = replace(
        one,
        embedding=((num_one * one.embedding + num_other * other.embedding) / num).astype(np.float32),
        speech_s=one.speech_s + other.speech_s,
        quality={key: _mean(value, other.quality[key], num_one / num) for key, value in one.quality.items()},
        sha256="",
    )
    return joined, num


def _mean(one: float | None, other: float | None, share: float) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return share * one + (1 - share) * other
