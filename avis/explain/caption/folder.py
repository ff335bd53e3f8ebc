"""The folder of a captioner, in that of the verifier whose embeddings it speaks of."""

import hashlib
import json
from typing import Annotated, Literal

import torch
from pydantic import BaseModel, Field
from safetensors import SafetensorError
from safetensors.torch import load, save

from avis import location, store
from avis.explain.caption.captioner import Captioner
from avis.explain.caption.model import CaptionModel, Sizes
from avis.explain.caption.vocabulary import PHRASE, Vocabulary
from avis.explain.faithfulness.statistics import Mean
from avis.foreign import parse_json, validated
from avis.verifier.folder import CONFIG, folder_digest
from avis.verifier.verifier import Verifier

ADVICE = "Train one: avis caption run=<run>, or ask for no caption."
FOLDER, WEIGHTS = "caption", "caption.safetensors"
NEEDED = ("precision", "precision of the most frequent")
"""What is said of a captioner with each caption."""

MOST_LETTERS, MOST_BYTES = 100, 1 << 27
"""Of a phrase, and of all weights: those of the largest sizes have fewer."""

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Phrase = Annotated[str, Field(pattern=f"^{PHRASE.pattern}$", max_length=MOST_LETTERS)]


class _Config(BaseModel, extra="forbid"):
    """All of a captioner that is no weight."""

    format: Literal[1] = 1
    verifier: Annotated[str, Field(pattern="^[0-9a-f]{12}$")]
    weights: Sha256
    sizes: Sizes
    phrases: Annotated[list[Phrase], Field(min_length=1, max_length=2048)]
    scores: dict[str, Mean]
    trained_on: dict[str, int]


def write_captioner(verifier: Verifier, captioner: Captioner, *, trained_on: dict[str, int]) -> str:
    """Write a captioner into the folder of its verifier, its configuration last, and return where it lies.

    Parameters
    ----------
    verifier : Verifier
        Which has a folder.
    captioner : Captioner
        Scored.
    trained_on : dict
        How many speakers, recordings and pairs there were.
    """
    folder = location.join(verifier.path, FOLDER)
    weights = save(captioner.model.state_dict())
    config = _Config(
        verifier=folder_digest(verifier.path),
        weights=hashlib.sha256(weights).hexdigest(),
        sizes=captioner.model.sizes,
        phrases=list(captioner.vocabulary.phrases),
        scores=dict(captioner.scores),
        trained_on=trained_on,
    )
    store.write_bytes(location.join(folder, WEIGHTS), weights)
    store.write_bytes(location.join(folder, CONFIG), json.dumps(config.model_dump(), indent=1).encode())
    return folder


def read_captioner(verifier: Verifier) -> Captioner:
    """Read the captioner of a verifier, without running anything of it.

    Raises
    ------
    ValueError
        If there is none, it is that of another verifier, or anything but what `write_captioner` wrote.
    """
    folder = location.join(verifier.path, FOLDER)
    path = location.join(folder, CONFIG)
    if not verifier.path or not location.exists(path):
        raise ValueError(
            f"no captioner: got a verifier without {FOLDER}/{CONFIG}, expected one of which captions were learnt. At "
            f"{verifier.path or 'the verifier'}. {ADVICE}"
        )
    plain = parse_json(location.read_bytes(path), path)
    config = validated(_Config, plain, what="no captioner", where=path, advice=ADVICE)
    if config.verifier != folder_digest(verifier.path) or config.sizes.dim != verifier.dim:
        raise ValueError(
            f"captioner of another verifier: got one of {config.verifier[:12]}, expected one of "
            f"{folder_digest(verifier.path)[:12]}. At {path}. {ADVICE}"
        )
    vocabulary = Vocabulary(tuple(config.phrases))
    where = location.join(folder, WEIGHTS)
    try:
        data = location.read_bytes(where, at_most=MOST_BYTES)
        if hashlib.sha256(data).hexdigest() != config.weights:
            raise ValueError("bytes of another sum")
        different = len({*vocabulary.phrases})
        if different < len(vocabulary.phrases) or len(vocabulary) != config.sizes.num_phrases:
            raise ValueError(
                f"{len(vocabulary.phrases)} phrases, {different} of them different, for {config.sizes.num_phrases}"
            )
        if missing := [name for name in NEEDED if name not in config.scores]:
            raise ValueError(f"no score {missing[0]}")
        model = _restored(CaptionModel(config.sizes), load(data))
    except (ValueError, OSError, SafetensorError) as error:
        raise ValueError(
            f"captioner unusable: got {error}, expected weights of its sizes, as AVIS saved them. At {where}. {ADVICE}"
        ) from error
    return Captioner(model.eval(), vocabulary, config.scores)


def _restored(model: CaptionModel, weights: dict[str, torch.Tensor]) -> CaptionModel:
    expected = model.state_dict()
    if {name: each.shape for name, each in weights.items()} != {name: each.shape for name, each in expected.items()}:
        raise ValueError("weights of other names or sizes")
    if not all(each.dtype == torch.float32 and each.isfinite().all() for each in weights.values()):
        raise ValueError("weights that are no finite numbers of 32 bits")
    model.load_state_dict(weights)
    return model
