"""The workflow that AVIS is measured against: files, a `DataLoader`, soundfile and torchaudio, as people write it."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile as sf
import torch
import torchaudio
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from avis import store
from avis.audio.codec import read_all
from avis.augment.bank import Bank
from avis.training.cropping import crop_bounds
from avis.training.example_inputs import ExampleInputs

SNR_DB = (0.0, 15.0)


class Files(Dataset[tuple[Tensor, int]]):
    """Crops of audio files, a third each as they are, with noise or in a room, both read anew; as Kaldi mels."""

    def __init__(self, files: list[tuple[str, int]], noises: list[str], rooms: list[str], crop_samples: int) -> None:
        self.files, self.noises, self.rooms, self.crop_samples = files, noises, rooms, crop_samples

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Return features ``[frames, mels]`` and the number of the speaker."""
        path, speaker = self.files[index]
        waveform = self._crop(_read(path))
        choice = int(torch.randint(3, ()))
        if choice == 1 and self.noises:
            noise = self._crop(_read(self.noises[int(torch.randint(len(self.noises), ()))]))
            snr_db = torch.empty(1).uniform_(*SNR_DB)
            waveform = torchaudio.functional.add_noise(waveform[None], noise[None], snr_db)[0]
        if choice == 2 and self.rooms:
            room = _read(self.rooms[int(torch.randint(len(self.rooms), ()))])
            waveform = torchaudio.functional.fftconvolve(waveform, room / room.norm())[: self.crop_samples]
        features = torchaudio.compliance.kaldi.fbank(waveform[None] * 2**15, num_mel_bins=80, window_type="hamming")
        return features - features.mean(dim=0), speaker

    def _crop(self, waveform: Tensor) -> Tensor:
        waveform = waveform.repeat(math.ceil(self.crop_samples / len(waveform)))
        start = int(torch.randint(len(waveform) - self.crop_samples + 1, ()))
        return waveform[start : start + self.crop_samples]


def _read(path: str) -> Tensor:
    return torch.from_numpy(sf.read(path, dtype="float32")[0])


def ordinary_batches(
    inputs: ExampleInputs, utterances: str, folder: Path, num_processes: int
) -> Iterator[dict[str, Tensor]]:
    """Write a store's training utterances, its noises and its rooms as files, and yield batches of them without end.

    Parameters
    ----------
    inputs : ExampleInputs
        Crop length, batch size, noises and rooms are its own.
    utterances : str
        URI of the store.
    folder : Path
        For the files.
    num_processes : int
        Of the `DataLoader`.
    """
    rate = inputs.settings.sample_rate
    rows = store.read_table(utterances, "utterances", columns=["speaker", "audio"], prefix="train-").to_pylist()
    recordings = [read_all(row["audio"]) for row in rows]
    files = _written(folder / "speech", recordings, rate)
    labelled = [(path, inputs.speakers[row["speaker"]]) for path, row in zip(files, rows, strict=True)]
    noises, rooms = (
        _written(folder / name, _recordings(inputs.banks[name]), rate) if name in inputs.banks else []
        for name in ("noise", "rir")
    )
    crop_samples = round(crop_bounds(inputs.settings.crop_s)[1] * rate)
    loader = DataLoader(
        Files(labelled, noises, rooms, crop_samples),
        batch_size=inputs.plan.global_batch,
        shuffle=True,
        drop_last=True,
        num_workers=num_processes,
        persistent_workers=True,
    )
    while True:
        for features, speakers in loader:
            yield {"features": features, "speaker": speakers}


def _recordings(bank: Bank) -> list[np.ndarray]:
    return [bank[index] / np.float32(2**15) for index in range(len(bank))]


def _written(folder: Path, recordings: list[np.ndarray], rate: int) -> list[str]:
    folder.mkdir(parents=True)
    paths = [str(folder / f"{number:06}.wav") for number in range(len(recordings))]
    for path, recording in zip(paths, recordings, strict=True):
        sf.write(path, recording, rate, subtype="PCM_16")
    return paths
