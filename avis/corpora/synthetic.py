"""Make the embedded corpus: synthetic voices, so that everything runs where there are no recordings."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

import numpy as np
import pyarrow as pa

from avis.audio.codec import encode
from avis.audio.listing import list_audio
from avis.corpora.files import source, sources_table
from avis.corpora.voice import SAMPLE_RATE, draw_channel, draw_voice, synthesise
from avis.location import absolute, exists, join
from avis.store import write_bytes

VERSION = 1
"""Changes whenever the same parameters would give other audio or other trials."""

SPLIT_KEYS = {"train": 0, "test": 1}
"""What a split adds to the seed. Speakers are seeded by split and number: more of them leave the others as they are."""

VOICE, CHANNEL, SPEECH, TRIALS = range(4)
"""What is drawn: each has a random stream of its own."""

NONTARGETS_PER_TARGET = 4

LAST_FILE = "corpus.json"


@dataclass(frozen=True, kw_only=True)
class Synthetic:
    """Seeded source-filter voices (`avis.corpora.voice`), 16 kHz FLAC, in a folder per set of parameters.

    `sources` writes the files where they are not there yet, as ``<root>/<hash of the parameters>/<split>/<speaker>/
    <session>/<utterance>.flac``, and a list of trials. Every file is a pure function of (seed, split, speaker,
    session, utterance), is written under another name first, and ``corpus.json`` is written last: a run that was cut
    off goes on where it stopped, and several at once do no harm.

    Attributes
    ----------
    name : str
        Name of the corpus; begins every id. ``utt_id`` is ``<name>/<speaker>/<session>/<utterance>``.
    root : str
        Folder to write to, local or a URI.
    num_train_speakers, num_test_speakers : int
        Disjoint sets of speakers; at least 1 and 2.
    num_sessions : int
        Per speaker, each with its own channel, level and noise; at least 2.
    num_utterances : int
        Per session.
    duration_s : float
        Of each utterance, in seconds.
    seed : int
        Not negative.
    """

    name: str
    root: str
    num_train_speakers: int
    num_test_speakers: int
    num_sessions: int
    num_utterances: int
    duration_s: float
    seed: int

    def __post_init__(self) -> None:
        least = {
            "num_train_speakers": 1,
            "num_test_speakers": 2,
            "num_sessions": 2,
            "num_utterances": 1,
            "duration_s": 0.5,
            "seed": 0,
        }
        for parameter, minimum in least.items():
            value = getattr(self, parameter)
            if value < minimum:
                raise ValueError(
                    f"parameter too small: got {parameter}={value}, expected at least {minimum}. "
                    f"At corpus {self.name}. Raise it."
                )

    @property
    def folder(self) -> str:
        """Absolute path, or URI, of the files of these parameters; ``name`` and ``root`` don't matter to them."""
        digest = hashlib.sha256(json.dumps(self._parameters(), sort_keys=True).encode()).hexdigest()[:12]
        return join(absolute(self.root), digest)

    @property
    def num_recordings(self) -> int:
        """How many files these are, of both splits."""
        return (self.num_train_speakers + self.num_test_speakers) * self.num_sessions * self.num_utterances

    @property
    def is_written(self) -> bool:
        """Whether all of the files are there."""
        return exists(join(self.folder, LAST_FILE))

    @property
    def trials_path(self) -> str:
        """Path of the trials of the test speakers, written by `sources`.

        A line is ``label enroll test`` as in VoxCeleb's lists: 1 for all pairs of a speaker's utterances from two
        sessions, 0 for a few times as many seeded pairs of speakers; files relative to the folder ``test``.
        """
        return join(self.folder, "trials.txt")

    @property
    def trial_lists(self) -> dict[str, tuple[str, str | None]]:
        """The trials by the corpus's name, which name utterances; they are written if they are not there."""
        if not exists(self.trials_path):
            self._write_trials()
        return {self.name: (self.trials_path, None)}

    def sources(self) -> pa.Table:
        """Write the files where they are missing and list them as a table in schema `avis.schema.SOURCES`."""
        last = join(self.folder, LAST_FILE)
        if not self.is_written:
            for split, speaker in self._speakers():
                self._write_speaker(split, speaker)
            self._write_trials()
            write_bytes(last, json.dumps(self._parameters(), indent=2, sort_keys=True).encode())
        rows = []
        for split in SPLIT_KEYS:
            for file in list_audio(join(self.folder, split)):
                speaker_name, session, _ = file.relative.split("/")
                file = replace(file, modified_ns=0)  # a copy is the same, since the parameters alone make it
                rows.append(source(file, corpus=self.name, split=split, speaker=speaker_name, session=session))
        return sources_table(rows)

    def waveform(self, split: str, *, speaker: int, session: int, utterance: int) -> np.ndarray:
        """Synthesise one utterance: float32 ``[samples]`` at 16 kHz."""
        channel_key = (speaker, session)
        return synthesise(
            draw_voice(self._rng(VOICE, split, speaker)),
            draw_channel(self._rng(CHANNEL, split, *channel_key)),
            num_samples=round(self.duration_s * SAMPLE_RATE),
            rng=self._rng(SPEECH, split, *channel_key, utterance),
        )

    def _parameters(self) -> dict[str, float]:
        return {"version": VERSION} | {key: value for key, value in asdict(self).items() if key not in ("name", "root")}

    def _rng(self, stream: int, split: str, *key: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, stream, SPLIT_KEYS[split], *key])

    def _speakers(self) -> Iterator[tuple[str, int]]:
        for split, num in (("train", self.num_train_speakers), ("test", self.num_test_speakers)):
            for speaker in range(num):
                yield split, speaker

    def _write_speaker(self, split: str, speaker: int) -> None:
        for session in range(self.num_sessions):
            for utterance in range(self.num_utterances):
                path = join(self.folder, split, _relative(split, speaker, session, utterance))
                if not exists(path):
                    samples = self.waveform(split, speaker=speaker, session=session, utterance=utterance)
                    write_bytes(path, encode(samples, sample_rate=SAMPLE_RATE, encoding="flac"))

    def _write_trials(self) -> None:
        write_bytes(self.trials_path, "".join(f"{line}\n" for line in self._trials()).encode())

    def _trials(self) -> list[str]:
        test = range(self.num_test_speakers)
        per_speaker = [(session, u) for session in range(self.num_sessions) for u in range(self.num_utterances)]
        targets = [
            (speaker, *first, speaker, *second)
            for speaker in test
            for first in per_speaker
            for second in per_speaker
            if first[0] < second[0]
        ]
        num_pairs_of_speakers = len(test) * (len(test) - 1) // 2
        num = min(NONTARGETS_PER_TARGET * len(targets), num_pairs_of_speakers * len(per_speaker) ** 2)
        rng = self._rng(TRIALS, "test")
        nontargets: dict[tuple[int, ...], None] = {}
        while len(nontargets) < num:
            one, other = sorted(rng.choice(len(test), size=2, replace=False).tolist())
            first, second = (per_speaker[i] for i in rng.integers(len(per_speaker), size=2))
            nontargets[(one, *first, other, *second)] = None
        return [
            f"{label} {_relative('test', *pair[:3])} {_relative('test', *pair[3:])}"
            for label, pairs in ((1, targets), (0, list(nontargets)))
            for pair in pairs
        ]


def _relative(split: str, speaker: int, session: int, utterance: int) -> str:
    return f"{split}_{speaker:04d}/session_{session}/{utterance:03d}.flac"
