"""From a pair of embeddings to text: a prefix made of the pair, which a small transformer goes on from.

References
----------
Mokady, Hertz and Bermano, "ClipCap: CLIP Prefix for Image Captioning", arXiv:2111.09734 (the prefix).
"CoLMbo: Speaker Language Model for Descriptive Profiling", arXiv:2506.09375 (of one voice's embedding).
"""

from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from avis.explain.caption.vocabulary import END

HEADS = 4
DROPOUT = 0.2
FIRST_STD = 0.02


class Sizes(BaseModel):
    """Sizes of a captioner, within which anyone's is built.

    Attributes
    ----------
    dim : int
        Of an embedding.
    num_phrases : int
        Of the vocabulary, with the end.
    longest : int
        Phrases of the longest text, with the end.
    prefix : int
        Vectors that stand for each side and for what both have in common, before the first phrase.
    width : int
        Of each vector.
    layers : int
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dim: Annotated[int, Field(ge=1, le=8192)]
    num_phrases: Annotated[int, Field(ge=2, le=2048)]
    longest: Annotated[int, Field(ge=1, le=512)]
    prefix: Annotated[int, Field(ge=1, le=32)] = 4
    width: Annotated[int, Field(ge=HEADS, le=512, multiple_of=HEADS)] = 64
    layers: Annotated[int, Field(ge=1, le=8)] = 2


class CaptionModel(nn.Module):
    """Says which phrase comes next, from a pair of embeddings and the phrases before.

    An embedding less the mean of those learnt from, scaled to the length ``sqrt(dim)``, is what is seen of it. The
    prefix has what is seen of either side by itself, so that what is said of one need not change with the other, and
    of their product, element by element, with the cosine. Nothing leads back from here to embedding or score.

    Parameters
    ----------
    sizes : Sizes
    """

    mean: Tensor

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes, width = sizes, sizes.width
        self.register_buffer("mean", torch.zeros(sizes.dim))
        self.of_side, self.of_both = (_to_prefix(num, sizes) for num in (sizes.dim, sizes.dim + 1))
        self.phrases = nn.Embedding(sizes.num_phrases, width)
        self.places = nn.Embedding(3 * sizes.prefix + sizes.longest, width)
        for table in (self.phrases, self.places):
            nn.init.normal_(table.weight, std=FIRST_STD)  # or the pair's prefix is small beside them
        layer = nn.TransformerEncoderLayer(
            width, HEADS, 4 * width, DROPOUT, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, sizes.layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.to_phrases = nn.Linear(width, sizes.num_phrases)

    def forward(self, pairs: Tensor, phrases: Tensor) -> Tensor:
        """Return logits of the first phrase and of each that follows one of ``phrases``.

        Parameters
        ----------
        pairs : float32 [batch, 2, dim]
            Embeddings of enrolment and test.
        phrases : int64 [batch, phrases]

        Returns
        -------
        float32 [batch, phrases + 1, num_phrases]
            Those at a place depend on the pair and on the phrases before that place.
        """
        told = torch.cat([self._prefix(pairs), self.phrases(phrases)], dim=1)
        told = told + self.places.weight[: told.shape[1]]
        mask = nn.Transformer.generate_square_subsequent_mask(told.shape[1])
        told = self.layers(told, mask=mask, is_causal=True)
        logits: Tensor = self.to_phrases(told[:, 3 * self.sizes.prefix - 1 :])
        return logits

    def _prefix(self, pairs: Tensor) -> Tensor:
        root = self.sizes.dim**0.5
        one, other = (nn.functional.normalize(pairs - self.mean, dim=-1) * root).unbind(1)
        cosine = (one * other).sum(-1, keepdim=True) / root
        both = self.of_both(torch.cat([one * other, cosine], dim=-1))
        parts = torch.cat([self.of_side(one), self.of_side(other), both], dim=-1)
        return parts.unflatten(1, (3 * self.sizes.prefix, self.sizes.width))

    @torch.inference_mode()
    def say(self, pairs: Tensor) -> list[list[int]]:
        """Return for each pair the likeliest phrase at each place, in turn, up to the end or `Sizes.longest`."""
        said = torch.zeros(len(pairs), 0, dtype=torch.int64)
        ended = torch.zeros(len(pairs), dtype=torch.bool)
        while said.shape[1] < self.sizes.longest and not ended.all():
            phrase = self(pairs, said)[:, -1].argmax(-1).masked_fill(ended, END)
            said, ended = torch.cat([said, phrase[:, None]], dim=1), ended | (phrase == END)
        numbers: list[list[int]] = said.tolist()
        return numbers


def _to_prefix(num: int, sizes: Sizes) -> nn.Sequential:
    return nn.Sequential(
        nn.Dropout(DROPOUT),
        nn.Linear(num, 2 * sizes.width),
        nn.GELU(),
        nn.Dropout(DROPOUT),
        nn.Linear(2 * sizes.width, sizes.prefix * sizes.width),
    )
