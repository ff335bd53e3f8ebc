"""Try how features, model and loss go together, before audio is prepared for them."""

import torch

from avis.engine.recipe import Recipe
from avis.losses.building import build_loss

NUM_FRAMES = 100
NUM_SPEAKERS = 2


def rehearse(recipe: Recipe) -> None:
    """Build the model, and the loss for two speakers, and take both forward on made-up features.

    Raises
    ------
    ValueError
        If a part of the recipe refuses what another gives it.
    """
    recipe = recipe.with_teachers()
    features = recipe.examples.features
    recipe.trainer.check_placement(features.placement)
    recipe.compute.check_precision(recipe.trainer.precision)
    if recipe.model.plain.get("num_mels") == 1:
        raise ValueError(
            "a model of mels is given waveforms: got model.num_mels=1, expected more. At features. Choose others, as "
            "fbank_80, or a model that filters waveforms itself: model=rawnet3."
        )
    model = recipe.model.build().eval()
    with torch.inference_mode():
        model(torch.zeros(1, NUM_FRAMES, features.front_end.plain["dim"]))
    loss = build_loss(recipe.loss.build(), embedding_dim=model.embedding_dim, num_speakers=NUM_SPEAKERS)
    speakers = torch.arange(NUM_SPEAKERS).repeat_interleave(recipe.trainer.utterances_per_speaker)
    loss(torch.randn(len(speakers), model.embedding_dim), speakers)
