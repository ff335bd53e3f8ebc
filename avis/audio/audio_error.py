"""Say why a recording cannot be used."""

from avis.schema import REJECT_REASONS

MIN_SOURCE_RATE_HZ = 1000
"""A lower sample rate in a header is taken for damage: resampling from 1 Hz would multiply the samples by thousands."""


class AudioError(ValueError):
    """A recording that cannot be used.

    Attributes
    ----------
    reason : str
        One of `avis.schema.REJECT_REASONS`.
    detail : str
        What was found, expected and where.
    """

    def __init__(self, reason: str, detail: str) -> None:
        assert reason in REJECT_REASONS, f"reason {reason!r} is not one of {REJECT_REASONS}"
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


def truncated(where: str, found: str) -> AudioError:
    """Return the error for a recording, or a segment of one, that is not all there."""
    return AudioError("truncated", f"recording is cut or damaged: {found}. At {where}. Fetch it again or remove it.")


def more_than_read(where: str, found: str, mend: str) -> AudioError:
    """Return the error for a file that holds more than would be read of it, and the command that mends it."""
    return AudioError("more_than_read", f"file holds more than its header admits: {found}. At {where}. Mend it: {mend}")


def check_source_rate(sample_rate: int, *, where: str) -> None:
    """Refuse, as ``unreadable``, a recording whose header has a sample rate below `MIN_SOURCE_RATE_HZ`."""
    if sample_rate < MIN_SOURCE_RATE_HZ:
        raise AudioError(
            "unreadable",
            f"absurd sample rate: got sample_rate={sample_rate} Hz, expected at least {MIN_SOURCE_RATE_HZ} Hz. "
            f"At {where}. The header is damaged: fetch it again.",
        )
