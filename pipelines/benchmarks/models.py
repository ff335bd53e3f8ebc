"""Measure the choices of ``configs/model``: what each costs, and how the small ones fare when all are trained alike."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from hydra import compose
from hydra.core.hydra_config import HydraConfig

from avis import location, store
from avis.engine.config import resolve
from avis.engine.prepare import prepare
from avis.engine.recipe import Recipe
from avis.engine.runs import STARTED_ON, save_run
from avis.engine.score import score
from avis.engine.train import train
from avis.evaluation.evaluate import evaluate
from avis.models.cost import cost
from avis.run_folder import CONFIG, METRICS
from avis.training.cropping import crop_bounds
from pipelines.benchmarks.measuring import seconds

CHOICES = sorted(path.stem for path in (Path(__file__).parents[2] / "configs" / "model").glob("*.yaml"))
SMALL = [choice for choice in CHOICES if choice.endswith("_small")]
COSTED_S = 2
"""As in published figures, which are its multiply-accumulates: as many as operations per second of audio."""
STEP_REPEATS = 3


def models(recipe: Recipe, *, choices: Sequence[str] = CHOICES) -> None:
    """Print what models cost, each with the features that it is given."""
    num_samples = COSTED_S * recipe.examples.sample_rate
    print(f"{'model':<22} {'parameters':>11}   GFLOPs per second of audio")
    for choice in choices:
        of_choice = Recipe.of(resolve(compose("train", [f"model={choice}"])))
        front_end = of_choice.examples.features.build_front_end()
        dim = of_choice.model.plain.get("num_mels", front_end.dim)  # some are of features that a hub has
        parameters, flops = cost(of_choice.model.build(), num_frames=front_end.num_frames(num_samples), dim=dim)
        print(f"{choice:<22} {parameters / 1e6:>9.2f} M   {flops / 1e9 / COSTED_S:6.2f}")


def families(recipe: Recipe, *, choices: Sequence[str] = SMALL, overrides: Sequence[str] | None = None) -> None:
    """Train models alike, one after the other; what is finished is not done again.

    Parameters
    ----------
    recipe : Recipe
        The configuration, of whichever model.
    choices : sequence of str
        Models of ``configs/model``.
    overrides : sequence of str or None
        What was said on the command line, which is composed again with each model; None takes it from Hydra.
    """
    if overrides is None:
        overrides = HydraConfig.get().overrides.task
    of_all = [override for override in overrides if not override.startswith("model=")]
    utterances = prepare(recipe)
    for choice in choices:
        of_choice = Recipe.of(resolve(compose("train", [*of_all, f"model={choice}"])))
        metrics = _trained_and_evaluated(of_choice, utterances, location.join(recipe.output_dir, "families", choice))
        model = of_choice.model.build()
        size = sum(weights.numel() for weights in model.parameters()) / 1e6
        pace = _step_pace(model, of_choice)
        for trials, figures in metrics.items():
            low, high = figures["intervals"]["figures"]["eer"] if figures["intervals"] else (math.nan, math.nan)
            print(
                f"{choice:<22} {trials}: EER {figures['eer']:.2%} [{low:.2%}, {high:.2%}], {size:.2f} M parameters, "
                f"{pace:.0f} examples/s through forward and backward on one core",
                flush=True,
            )


def _trained_and_evaluated(recipe: Recipe, utterances: str, run_dir: str) -> dict[str, Any]:
    """Return the metrics of a run, which is begun or gone on with unless it has them."""
    config, metrics = location.join(run_dir, CONFIG), location.join(run_dir, METRICS)
    asked = {**recipe.plain, STARTED_ON: location.below(utterances, recipe.output_dir)}
    saved = store.read_json(config) if location.exists(config) else asked
    if saved != {**asked, "compute": saved["compute"]}:
        raise ValueError(
            f"the families must be trained alike: got another configuration, expected that of {config}. "
            "At output_dir. Choose another folder, or go on with the settings that were begun with."
        )
    save_run(run_dir, recipe, utterances)
    if not location.exists(metrics):
        checkpoint = train(recipe, utterances, run_dir)
        scores = score(recipe, checkpoint, utterances, run_dir)
        evaluate(scores, run_dir, facts={"checkpoint": checkpoint.uri}, evaluation=recipe.evaluation)
    return store.read_json(metrics)


def _step_pace(model: torch.nn.Module, recipe: Recipe) -> float:
    """Return examples per second of one thread, of random features."""
    front_end, longest_s = recipe.examples.features.build_front_end(), crop_bounds(recipe.examples.crop_s)[1]
    num_frames = front_end.num_frames(round(longest_s * recipe.examples.sample_rate))
    features = torch.randn(recipe.trainer.batch_size, num_frames, front_end.dim)
    torch.set_num_threads(1)
    return len(features) / min(seconds(lambda: model(features).sum().backward()) for _ in range(STEP_REPEATS))
