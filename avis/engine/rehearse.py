"""Try how features, model and loss go together, before audio is prepared for them."""

from typing import Any

import torch
from hydra.utils import instantiate

from avis.checkpoints.teacher import find_teachers
from avis.losses.building import build_loss
from avis.training.placement import check_placement, check_precision

NUM_FRAMES = 100
NUM_SPEAKERS = 2


def rehearse(recipe: dict[str, Any]) -> None:
    """Build the model, and the loss for two speakers, and take both forward on made-up features.

    Raises
    ------
    ValueError
        If a part of the recipe refuses what another gives it.
    """
    recipe = find_teachers(recipe)
    training, features = instantiate(recipe["trainer"]), recipe["features"]
    check_placement(
        training.utterances_per_speaker, training.mixup_alpha, training.crop_s, placement=features["placement"]
    )
    check_precision(training.precision, instantiate(recipe["compute"]))
    if recipe["model"].get("num_mels") == 1:
        raise ValueError(
            "a model of mels is given waveforms: got model.num_mels=1, expected more. At features. Choose others, as "
            "fbank_80, or a model that filters waveforms itself: model=rawnet3."
        )
    model = instantiate(recipe["model"]).eval()
    with torch.inference_mode():
        model(torch.zeros(1, NUM_FRAMES, features["front_end"]["dim"]))
    loss = build_loss(instantiate(recipe["loss"]), embedding_dim=model.embedding_dim, num_speakers=NUM_SPEAKERS)
    speakers = torch.arange(NUM_SPEAKERS).repeat_interleave(training.utterances_per_speaker)
    loss(torch.randn(len(speakers), model.embedding_dim), speakers)
