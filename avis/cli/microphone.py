"""Record from a microphone."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Record = Annotated[int | None, typer.Option(min=1, max=600, help="Seconds to record from the microphone instead.")]


def check_one(recording: str, duration_s: int | None) -> None:
    """Refuse a recording beside the microphone, or neither."""
    if (not recording) == (duration_s is None):
        given = f"{recording} and --record {duration_s}" if recording else "none"
        raise ValueError(
            f"one recording: got {given}, expected a file or --record. At the command line. Give one of them."
        )


def recorded(duration_s: int) -> "tuple[NDArray[np.float32], int]":
    """Record from the system's microphone at the rate that is its own, and say when.

    Returns
    -------
    samples : float32 [samples]
    sample_rate : int
        In Hz.

    Raises
    ------
    ValueError
        If there is no microphone, or not what it takes to record from it.
    """
    try:
        import sounddevice
    except (ImportError, OSError) as error:  # the latter of PortAudio, which wheels for Linux do not bring
        raise ValueError(
            f"nothing to record with: got {error}, expected the package sounddevice and the library PortAudio. At "
            "--record. Run pip install 'avis[record]', and on Linux install libportaudio2."
        ) from error
    try:
        sample_rate = round(sounddevice.query_devices(kind="input")["default_samplerate"])
        print(f"recording {duration_s} s, speak now", file=sys.stderr, flush=True)
        samples = sounddevice.rec(
            duration_s * sample_rate, samplerate=sample_rate, channels=1, dtype="float32", blocking=True
        )
    except (ValueError, sounddevice.PortAudioError) as error:
        raise ValueError(
            f"no microphone: got {error}, expected one to record from. At --record. Connect one and allow its use "
            "(python -m sounddevice lists them), or give a file."
        ) from error
    return samples[:, 0], sample_rate
