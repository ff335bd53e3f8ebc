"""Say which stretch of a recording is meant: an utterance is often a few seconds of an hour."""

from dataclasses import dataclass

from avis.audio.audio_error import AudioError, truncated

MAX_OVERSHOOT_S = 0.5
"""How far a stretch may reach beyond the recording's end; it ends there then. Times in lists are rounded, and written
for other decoders. As the option ``--max-overshoot`` of Kaldi's ``extract-segments``."""

UNKNOWN_FRAMES = 1 << 62
"""Stands for the length of a recording that is only known once it is decoded; a header may state more, and means it."""


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Part of a recording.

    Attributes
    ----------
    start_s : float
        Where it begins, in seconds.
    end_s : float or None
        Where it ends, in seconds; None for the recording's end.
    """

    start_s: float = 0.0
    end_s: float | None = None

    @property
    def is_whole(self) -> bool:
        """Whether this is all of the recording."""
        return self.start_s == 0 and self.end_s is None

    def frames(self, sample_rate: int, *, total: int, where: str) -> tuple[int, int]:
        """Return the first frame and the one after the last, to the nearest frame.

        Parameters
        ----------
        sample_rate : int
            In Hz.
        total : int
            Frames of the recording.
        where : str
            For the error.

        Raises
        ------
        AudioError
            ``truncated``: the recording ends before the stretch does, by more than `MAX_OVERSHOOT_S`.
            ``too_short``: there is no frame in the stretch.

        Examples
        --------
        >>> Stretch(start_s=1.0, end_s=2.5).frames(8000, total=80000, where="a.sph")
        (8000, 20000)
        """
        start = round(self.start_s * sample_rate)
        end = total if self.end_s is None else round(self.end_s * sample_rate)
        if (not self.is_whole and start >= total) or end > total + MAX_OVERSHOOT_S * sample_rate:
            raise truncated(where, f"got duration_s={total / sample_rate:.3f} s, expected the segment inside it")
        if not self.is_whole and start >= end:
            raise AudioError(
                "too_short",
                f"segment too short: got start_s={self.start_s} s, end_s={self.end_s} s, expected a sample in between. "
                f"At {where}. Correct it or leave it out.",
            )
        return start, min(end, total)

    def __str__(self) -> str:
        end = "the end" if self.end_s is None else f"{self.end_s:.3f} s"
        return f"from {self.start_s:.3f} s to {end}"
