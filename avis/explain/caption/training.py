"""Teach a captioner: the next phrase of each text, from the pair and the phrases before."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from avis.explain.caption.captioner import Captioner
from avis.explain.caption.model import CaptionModel, Sizes
from avis.explain.caption.vocabulary import Vocabulary
from avis.random_streams import stream, stream_seed

BATCH = 64
LEARNING_RATE, WEIGHT_DECAY, WARM_UP = 3e-3, 0.05, 0.1
UNTOLD = -100
"""Stands behind the end of shorter texts, where nothing is learnt."""


class Lesson:
    """The training of one captioner, step by step; the same seed gives the same captioner.

    Parameters
    ----------
    pairs : float32 [pairs, 2, dim]
        Embeddings of enrolment and test.
    texts : sequence of str
        What is to be said of each.
    num_steps : int
    seed : int
        Draws the first weights, which pairs a step has, and what is dropped.
    **sizes : int
        Of `Sizes`, others than usual.

    Attributes
    ----------
    captioner : Captioner
        What is learnt.
    """

    def __init__(
        self, pairs: NDArray[np.float32], texts: Sequence[str], *, num_steps: int, seed: int, **sizes: int
    ) -> None:
        vocabulary = Vocabulary.of(texts)
        numbers = [vocabulary.numbers(text) for text in texts]
        longest = max(map(len, numbers))
        self.pairs = torch.from_numpy(pairs)
        self.phrases = torch.tensor([[*each, *[UNTOLD] * (longest - len(each))] for each in numbers])
        self.num_steps, self.seed = num_steps, seed
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_seed(seed, "caption weights"))
            model = CaptionModel(Sizes(dim=pairs.shape[2], num_phrases=len(vocabulary), longest=longest, **sizes))
        model.mean.copy_(self.pairs.mean(dim=(0, 1)))
        self.captioner = Captioner(model.eval(), vocabulary)

    def steps(self) -> Iterator[float]:
        """Take the steps, and yield the loss of each."""
        model = self.captioner.model
        optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, LEARNING_RATE, total_steps=self.num_steps, pct_start=WARM_UP
        )
        for step in range(self.num_steps):
            chosen = torch.from_numpy(
                stream(self.seed, "caption pairs", step).integers(len(self.pairs), size=min(BATCH, len(self.pairs)))
            )
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(stream_seed(self.seed, "caption dropout", step))
                loss = self._loss(model.train(), chosen)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            model.eval()
            yield loss.item()

    def _loss(self, model: CaptionModel, chosen: torch.Tensor) -> torch.Tensor:
        phrases = self.phrases[chosen]
        logits = model(self.pairs[chosen], phrases[:, :-1].clamp(min=0))
        return nn.functional.cross_entropy(logits.flatten(0, 1), phrases.flatten(), ignore_index=UNTOLD)
