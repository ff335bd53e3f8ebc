"""Check waveforms before features are made of them."""

import torch

MAX_FRAME_SAMPLES = 1 << 14
"""A third of a second at 48 kHz; what is made for frames of ten times as many no longer fits into memory."""


def check_waveforms(waveforms: torch.Tensor, *, min_samples: int, name: str) -> None:
    """Refuse what is not floating point in [-1, 1], or is too short for one frame.

    Raises
    ------
    ValueError
        For waveforms that are not float32, or hold less than ``min_samples`` samples.
    """
    if waveforms.dtype != torch.float32:
        raise ValueError(
            f"Waveforms must be floating point in [-1, 1]: got dtype={waveforms.dtype}, expected torch.float32. "
            f"At {name} input. Divide 16-bit samples by 32768."
        )
    if waveforms.shape[-1] < min_samples:
        raise ValueError(
            f"A waveform must hold at least one frame: got num_samples={waveforms.shape[-1]} samples, expected "
            f"at least {min_samples}. At {name} input. Leave out or pad utterances as short as this."
        )


def frame_sizes(*, sample_rate: int, frame_length_ms: float, frame_shift_ms: float) -> tuple[int, int]:
    """Return length and shift of frames in samples.

    Raises
    ------
    ValueError
        For a frame of less than two samples or more than `MAX_FRAME_SAMPLES`, or a shift of less than one.
    """
    length, shift = int(sample_rate * frame_length_ms * 0.001), int(sample_rate * frame_shift_ms * 0.001)
    if not 2 <= length <= MAX_FRAME_SAMPLES or shift < 1:
        raise ValueError(
            f"A frame must hold two samples and move by one: got frame_length_ms={frame_length_ms} ms and "
            f"frame_shift_ms={frame_shift_ms} ms, expected 2 to {MAX_FRAME_SAMPLES} and at least 1 samples at "
            f"{sample_rate} Hz. At features.front_end. Both are in milliseconds."
        )
    return length, shift
