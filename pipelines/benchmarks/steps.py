"""Measure the training step of the configured model in variants side by side, on made-up batches."""

import copy
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from avis.engine.recipe import Recipe
from avis.losses.building import build_loss
from avis.training.cropping import crop_bounds

NUM_SPEAKERS = 1000
ROUNDS = 10


@dataclass(frozen=True)
class Variant:
    """One way to take a step: what it is computed in, by how many threads of a CPU, and how."""

    dtype: torch.dtype
    threads: int = 1
    fused: bool = True
    channels_last: bool = False
    compiled: bool = False

    def __str__(self) -> str:
        options = ("fused" if self.fused else "", "channels_last" if self.channels_last else "")
        words = (str(self.dtype).removeprefix("torch."), f"{self.threads} threads", *options)
        return ", ".join(word for word in (*words, "compiled" if self.compiled else "") if word)


VARIANTS = [
    Variant(torch.float32, fused=False),
    Variant(torch.float32),
    Variant(torch.float32, threads=2),
    Variant(torch.bfloat16),
    Variant(torch.bfloat16, threads=2),
    Variant(torch.bfloat16, compiled=True),
]


ON_GPUS = [
    Variant(torch.float32, fused=False),
    Variant(torch.float32),
    Variant(torch.float32, channels_last=True),
    Variant(torch.bfloat16),
    Variant(torch.bfloat16, channels_last=True),
    Variant(torch.bfloat16, compiled=True),
    Variant(torch.bfloat16, channels_last=True, compiled=True),
]
"""See `avis.training.faster_step.prepare`."""


def step(recipe: Recipe, *, variants: Sequence[Variant] | None = None, rounds: int = ROUNDS) -> None:
    """Print examples per second of the steps of a recipe, the best of several rounds of all variants in turn.

    A step is model, loss, gradients, clipping and optimiser. Features that the model learns with are left out.
    """
    device = torch.device("cuda" if torch.cuda.is_available() and recipe.compute.use_gpu is not False else "cpu")
    torch.manual_seed(recipe.seed)
    model, trainer = recipe.model.build(), recipe.trainer
    has_images = any(isinstance(part, nn.Conv2d) for part in model.modules())
    on_gpu = [variant for variant in ON_GPUS if has_images or not variant.channels_last]
    variants = variants or (on_gpu if device.type == "cuda" else VARIANTS)
    loss = build_loss(recipe.loss.build(), embedding_dim=model.embedding_dim, num_speakers=NUM_SPEAKERS)
    front_end = recipe.examples.features.build_front_end()
    num_frames = front_end.num_frames(round(crop_bounds(trainer.crop_s)[1] * recipe.examples.sample_rate))
    features = torch.randn(trainer.batch_size, num_frames, front_end.dim, device=device)
    speakers = torch.randint(NUM_SPEAKERS // 2, (trainer.batch_size // trainer.utterances_per_speaker,), device=device)
    batch = features, speakers.repeat_interleave(trainer.utterances_per_speaker)
    steps = [_prepared(variant, recipe, copy.deepcopy(model), copy.deepcopy(loss), batch) for variant in variants]
    best = [float("inf")] * len(variants)
    for place, variant in enumerate(variants):
        torch.set_num_threads(variant.threads)
        steps[place]()  # which compiles, and makes the optimiser's state
    for _ in range(rounds):
        for place, variant in enumerate(variants):
            torch.set_num_threads(variant.threads)
            started = time.perf_counter()
            steps[place]()
            best[place] = min(best[place], time.perf_counter() - started)
    print(f"batch {trainer.batch_size}, {num_frames} frames, {device.type}, {os.cpu_count()} cores:")
    for variant, least in zip(variants, best, strict=True):
        pace = trainer.batch_size / least
        print(f"  {variant!s:<40} {pace:8.1f} examples/s, {best[0] / least:.2f} times the first")


def _prepared(
    variant: Variant, recipe: Recipe, model: nn.Module, loss: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]
) -> Callable[[], None]:
    """Return what takes one step."""
    features, speakers = batch
    device = features.device
    model, loss = model.to(device).train(), loss.to(device).train()
    if variant.channels_last:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    named = [*model.named_parameters(), *loss.named_parameters()]
    optimizer = recipe.optimizer.build()(named, fused=variant.fused)
    weights = [weight for _, weight in named]
    embed = torch.compile(model) if variant.compiled else model

    def take() -> None:
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=variant.dtype == torch.bfloat16):
            value, _ = loss(embed(features), speakers)
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(weights, recipe.trainer.gradient_clip)
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return take
