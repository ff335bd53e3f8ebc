"""Say what a run would take, by its recipe and by rates: nothing is started or listed."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf, open_dict

from avis.corpora.synthetic import Synthetic
from avis.engine.config import check_arguments, resolve
from avis.engine.prepare_recipe import arguments
from avis.engine.rates import Rates
from avis.engine.recipe import Recipe
from avis.engine.shards.sharding import MIN_SHARDS
from avis.losses.building import build_loss
from avis.losses.head_memory import FLOAT32_BYTES, head_bytes
from avis.training.cropping import crop_bounds

MOMENTS = {"adam": 2, "sgd": 1}
"""Values that an optimiser keeps for each weight, by how the name of its choice begins; others as many as Adam."""
THOUSAND, MILLION = 1_000, 1_000_000


def rates_of(node: DictConfig) -> Rates:
    """Return the rates of a configuration's group ``rates``, checked.

    Raises
    ------
    ValueError
        Naming the key.
    """
    plain = arguments(OmegaConf.to_container(node, resolve=True))  # type: ignore[arg-type]
    check_arguments(Rates, plain, "rates")
    if (plain["recordings"] is None) != (plain["audio_h"] is None):
        raise ValueError(
            f"half a corpus: got recordings={plain['recordings']} and audio_h={plain['audio_h']}, expected both or "
            "neither. At rates. Give rates.recordings=<number> rates.audio_h=<hours>."
        )
    return Rates(**plain)


def estimate(settings: Sequence[str], configs: Path, config_name: str) -> list[str]:
    """Return what a run of these settings would take, in lines.

    Parameters
    ----------
    settings : sequence of str
        Of a command line.
    configs : Path
        Folder of the configurations.
    config_name : str

    Raises
    ------
    ValueError
        If the settings do not go together, or a value is missing.
    """
    with initialize_config_dir(str(configs), version_base="1.3"):
        cfg = compose(config_name, list(settings), return_hydra_config=True)
    model, optimizer = (str(cfg.hydra.runtime.choices[group]) for group in ("model", "optimizer"))
    with open_dict(cfg):
        rates = rates_of(cfg.pop("rates"))
        for key in ("hydra", "verbose", "log"):
            cfg.pop(key)
    recipe = Recipe.of(resolve(cfg))
    return [*_audio(recipe, rates), *_memory(recipe, optimizer), *_training(recipe, rates, model)]


def fed_per_s(recipe: Recipe, rates: Rates, *, on_gpus: bool) -> float:
    """Return the examples of a recipe that a core makes in a second."""
    placement = recipe.examples.augment.placement
    placement = ("device" if on_gpus else "stream") if placement == "auto" else placement
    return rates.fed_per_s(placement, recipe.sharding.encoding, crop_s=crop_bounds(recipe.trainer.crop_s)[1])


def _known(recipe: Recipe, rates: Rates) -> tuple[int | None, float | None]:
    """Return recordings and hours as they are given, or as synthetic voices have them."""
    built = [corpus.build() for corpus in recipe.corpora.values()]
    if not all(isinstance(corpus, Synthetic) for corpus in built):
        return rates.recordings, rates.audio_h
    recordings = sum(corpus.num_recordings for corpus in built)
    return rates.recordings or recordings, rates.audio_h or sum(c.num_recordings * c.duration_s for c in built) / 3600


def _audio(recipe: Recipe, rates: Rates) -> Iterator[str]:
    recordings, audio_h = _known(recipe, rates)
    sharding = recipe.sharding
    if recordings is None:
        yield "audio: unknown until it is listed; say rates.recordings=<number> rates.audio_h=<hours>"
        yield f"shards: {MILLION / sharding.shard_rows:,.0f} for a million recordings, more where they are long"
    else:
        shards = max(MIN_SHARDS, math.ceil(recordings / sharding.shard_rows))
        yield f"audio: {recordings:,} recordings, {_hours(audio_h)}"
        yield f"shards: {shards:,} of {sharding.shard_rows:,} recordings at most, more where those are long"
        yield f"driver: {recordings * rates.driver_kb_per_file / MILLION:.2g} GB to plan them"
    of = audio_h or THOUSAND
    core_h = of / rates.prepared_h_per_core_h
    cpus, price = recipe.compute.data_cpus, _price(core_h, rates.cpu_hour)
    lasts = f", {core_h / cpus:,.1f} h with compute.data_cpus={cpus}" if cpus else ""
    yield f"prepare: {core_h:,.1f} core hours for {of:,.0f} h{lasts}, decoding PCM or FLAC{price}"


def _memory(recipe: Recipe, optimizer: str) -> Iterator[str]:
    with torch.device("meta"):
        model = recipe.model.build()
    loss = build_loss(recipe.loss.build(), embedding_dim=model.embedding_dim, num_speakers=THOUSAND)
    parameters = sum(weights.numel() for weights in model.parameters())
    kept = 2 + next((number for name, number in MOMENTS.items() if optimizer.startswith(name)), MOMENTS["adam"])
    batch = recipe.trainer.batch_size // (_workers(recipe) or 1)
    yield (
        f"model: {parameters / MILLION:.2f} M parameters; {_gib(FLOAT32_BYTES * kept * parameters)} on each worker for "
        f"weights, gradients and {optimizer}, and {_gib(head_bytes(loss, batch))} for 1,000 speakers; activations and "
        "front end not counted"
    )


def _training(recipe: Recipe, rates: Rates, model: str) -> Iterator[str]:
    trainer, workers = recipe.trainer, _workers(recipe)
    recordings, _ = _known(recipe, rates)
    steps = (recordings or MILLION) * trainer.passes_per_epoch // trainer.batch_size * trainer.num_epochs
    examples = steps * trainer.batch_size
    of = f"at most, with {recordings:,} recordings" if recordings else "for a million recordings"
    yield f"training: {examples:,} examples in {steps:,} steps {of}"
    on_gpu = recipe.compute.use_gpu
    if on_gpu is None:
        on_gpu = recipe.compute.where == "cluster" or torch.cuda.is_available()
    kind = "GPU" if on_gpu else "CPU process"
    crop_s = crop_bounds(trainer.crop_s)[1]
    pace = rates.trained_per_s(model, on_gpu=on_gpu, crop_s=crop_s)
    if pace is None:
        table = "gpu_examples_per_s" if on_gpu else "cpu_examples_per_s"
        yield f"time: not measured for model={model}; say +rates.{table}.{model}=<examples/s of a {kind}>"
        return
    fed, as_fed = fed_per_s(recipe, rates, on_gpus=on_gpu), ""
    if (cpus := recipe.compute.data_cpus) and (fed_each := cpus * fed / (workers or 1)) < pace:
        pace, as_fed = fed_each, f" as compute.data_cpus={cpus} feeds {'them' if workers else 'one'}"
    worker_h = examples / pace / 3600
    each = f"each of {workers} for {worker_h / workers:,.1f} h" if workers else "shared by compute.num_workers"
    yield (
        f"time: {worker_h:,.1f} {kind} hours at {pace:,.0f} examples/s{as_fed}, {each}, and {pace / fed:.1f} cores "
        f"to feed each{_price(worker_h, rates.gpu_hour if on_gpu else None)}"
    )
    if on_gpu and rates.gpu_hour is None:
        yield "cost: say rates.gpu_hour=<price> rates.cpu_hour=<price>"


def _workers(recipe: Recipe) -> int | None:
    """Return how many training workers are asked for, at most; None takes what there is."""
    asked = recipe.compute.num_workers
    return asked[1] if isinstance(asked, list) else asked


def _hours(audio_h: float | None) -> str:
    return "hours unknown" if audio_h is None else f"{audio_h:,.2f} h"


def _gib(num_bytes: float) -> str:
    return f"{num_bytes / 2**30:.2g} GiB"


def _price(hours: float, price: float | None) -> str:
    return "" if price is None else f"; {hours * price:,.2f} at {price:g} an hour"
