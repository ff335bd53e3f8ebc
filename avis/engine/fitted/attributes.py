"""Fit what guesses attributes of speakers, on what some speakers of the training said."""

from typing import get_args

import numpy as np

from avis.engine.fitted.voices import Speech
from avis.verifier.attributes.fit import fit_head
from avis.verifier.attributes.head import AttributeName
from avis.verifier.attributes.kept import Heads
from avis.verifier.attributes.values import of_speaker


def fitted_attributes(speech: Speech, *, seed: int) -> Heads | None:
    """Return a head for each attribute that the store tells and that is guessed better than by chance; None without.

    What comes of each attribute of which anything is known is printed.

    Parameters
    ----------
    speech : Speech
    seed : int
        Draws who is held out together.
    """
    names, speakers = np.unique(np.array(speech.utterances["speaker"].to_pylist()), return_inverse=True)
    told: list[list[dict[str, str]]] = [[] for _ in names]
    for speaker, attributes in zip(speakers, speech.utterances["attributes"].to_pylist(), strict=True):
        told[speaker].append(dict(attributes or ()))
    heads = []
    for attribute in get_args(AttributeName):
        values = [of_speaker(attribute, utterances) for utterances in told]
        if any(values):
            head, said = fit_head(attribute, speech.embeddings, speakers, values, seed=seed)
            print(f"attributes: {said}", flush=True)
            heads += [head] if head else []
    return Heads(heads=tuple(heads)) if heads else None
