"""Models of which every explanation is known in closed form, and trials of theirs, made by hand."""

from types import SimpleNamespace

import numpy as np
import torch

from avis.audio.recording import Hearing
from avis.explain.heard import Heard
from avis.explain.judge import Judge
from avis.explain.record import SideName
from avis.explain.side import Side
from avis.scoring.additive import Affine, QuadraticForm
from avis.scoring.backend import Backend
from avis.verifier.comparison import Comparison
from avis.verifier.embedder import Embedder, Voiceprint

RATE = 16000
BLOCK = 80
"""Samples of a frame, as many as a splice blends."""
FRAMES, SEGMENTS = 100, 5


class Dot(Backend):
    """Scores by the product of two embeddings."""

    def fit(self, embeddings, speakers):
        """Learn nothing."""

    def transform(self, embeddings):
        return np.asarray(embeddings, np.float32)

    def score(self, enroll, test):
        return np.einsum("ij,ij->i", enroll.astype(np.float64), test.astype(np.float64))

    def affine_at(self, embedding):
        return Affine(np.eye(embedding.size), np.zeros(embedding.size))

    def form(self):
        return QuadraticForm(cross=np.ones(4), own=np.zeros(4), constant=0.0)


class Blocks(torch.nn.Module):
    """Level, crookedness and slope of frames side by side: ``[samples]`` to ``[frames, 3]``, zeros in silence."""

    def forward(self, waveforms):
        frames = waveforms.unfold(-1, BLOCK, BLOCK)
        slope = torch.linspace(-1, 1, BLOCK)
        return torch.stack([frames.abs().mean(-1), 5 * frames.square().mean(-1), (frames * slope).mean(-1)], -1)


class Mean(torch.nn.Module):
    """A linear map of the mean of ``shape(features)``, frames weighted as they come."""

    def __init__(self, dim=3, *, shape=torch.nn.Identity(), weights=None):  # noqa: B008
        super().__init__()
        self.shape, self.weights = shape, weights
        self.linear = torch.nn.Linear(dim, 4).double()

    def forward(self, features):
        frames = self.shape(features.double())
        mean = frames.mean(1) if self.weights is None else torch.einsum("f,bfd->bd", self.weights, frames)
        return self.linear(mean)


def embedder_of(front_end, model, *, dim=4, longest_s=60.0) -> Embedder:
    """Return an embedder that is no checkpoint's."""
    made = object.__new__(Embedder)
    made.digest, made.dim, made.longest = "0" * 64, dim, round(longest_s * RATE)
    made.hearing = Hearing(sample_rate=RATE, channel="mix", vad=None, trim="none", min_duration_s=0.0)
    made.front_end, made.model = front_end.eval(), model.eval()
    return made


def utterance(seed: int, num_segments: int = SEGMENTS) -> np.ndarray:
    """Segments of noise, one louder than the other, a silent frame at both ends of each: int16 ``[samples]``."""
    rng = np.random.default_rng(seed)
    segments = []
    for level in rng.uniform(500, 6000, num_segments):
        segment = level * rng.normal(size=FRAMES * BLOCK)
        segment[:BLOCK] = segment[-BLOCK:] = 0
        segments.append(segment)
    return np.concatenate(segments).clip(-32768, 32767).astype(np.int16)


def heard_of(embedder: Embedder, values: np.ndarray, edges=None, **voiceprint) -> Heard:
    """Return values as heard by a model that cannot be taken apart."""
    embedding = embedder.embedding_of(values).astype(np.float64)
    facts = {"speech_s": len(values) / RATE, "quality": {}, "unheard": None, "model": embedder.digest, "sha256": ""}
    return Heard(
        voiceprint=Voiceprint(embedding=embedding.astype(np.float32), **(facts | voiceprint)),
        values=values,
        kept=np.array([[0, len(values)]]),
        sample_rate=RATE,
        edges=np.arange(0, len(values) + 1, FRAMES * BLOCK) if edges is None else np.array(edges),
        embedding=embedding,
        rest=embedding,
        of_frames=np.zeros((0, embedder.dim)),
        frame_edges=np.zeros(1),
    )


def side_of(name: SideName, *heard: Heard) -> Side:
    return Side(
        name=name, given=list(heard), names=[""] * len(heard), heard=list(heard), voiceprint=heard[0].voiceprint
    )


def judge_of(sides: tuple[Side, Side], backend: Backend | None = None) -> Judge:
    return Judge(
        comparison=Comparison(backend or Dot(), None, {}),
        embeddings=(sides[0].embedding, sides[1].embedding),
        speech_s=(1.0, 1.0),
    )


def trial(model=None, *, seeds=((0,), (1,)), **kwargs) -> SimpleNamespace:
    """Return a trial of utterances on either side, with what each segment is worth, less the model's constant.

    ``worths`` is ``[sides][recordings]`` of ``[segments]``: the evidence if a side's frames were like the segment's
    mean. It is the evidence's, for a linear model that takes the mean.
    """
    torch.manual_seed(0)
    embedder = embedder_of(Blocks(), model or Mean(), **kwargs)
    sides = tuple(
        side_of(name, *(heard_of(embedder, utterance(seed)) for seed in of_side))
        for name, of_side in zip(("enroll", "test"), seeds, strict=True)
    )
    directions = (sides[1].embedding, sides[0].embedding)
    weight = embedder.model.linear.weight.detach().numpy()
    worths = [
        [np.array([mean_features(part) @ (direction @ weight) for part in parts(heard)]) for heard in side.heard]
        for side, direction in zip(sides, directions, strict=True)
    ]
    return SimpleNamespace(
        embedder=embedder, sides=sides, judge=judge_of(sides), directions=directions, worths=worths, weight=weight
    )


def parts(heard: Heard) -> list[np.ndarray]:
    return np.split(heard.values, heard.edges[1:-1])


def mean_features(values: np.ndarray) -> np.ndarray:
    return Blocks()(torch.from_numpy(values.astype(np.float32) / 32768)).double().mean(0).numpy()
