"""Learning rate, margin and passes of the recipes over self-supervised models, by their sources' own rules."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hydra.utils import instantiate

STEPS = 1000
"""Per epoch, in the sources' rules."""
Rule = Callable[[int], float]


def warmup_with_step_decay(step: int) -> float:
    """wespeaker/utils/schedulers.py, WarmupLR_withStepDecay of w2vbert_s1_lora.yaml: steps of 5 epochs."""
    warmup = decay = 5 * STEPS
    return 1e-4 * ((step + 1) / (warmup + 1) if step < warmup else 0.1 ** ((step - warmup) // decay))


def warmup_cosine(fix_epoch: int) -> Rule:
    """WarmupCosineScheduler there, of w2vbert_s2_ft.yaml and w2vbert_s3_lmft.yaml: no warm-up, from 1e-5 to 5e-6."""

    def rate(step: int) -> float:
        done = step / (fix_epoch * STEPS)
        return 5e-6 + 0.5 * (1e-5 - 5e-6) * (1 + math.cos(math.pi * done)) if done < 1 else 5e-6

    return rate


def exponential_decrease(initial: float, final: float, *, epochs: int, warm_up: int, batch: int) -> Rule:
    """ExponentialDecrease there, from zero, with train.py's scale of the batch over all GPUs by 64."""

    def rate(step: int) -> float:
        scale = batch / 64 * min(1.0, step / (warm_up * STEPS))
        return scale * initial * math.exp(step / (epochs * STEPS) * math.log(final / initial))

    return rate


def step_lr(step: int) -> float:
    """SLT22 scheduler/steplr.py and yaml/Baseline.yaml: LR_MHFA times lr_decay after every epoch."""
    return 5e-3 * 0.95 ** (step // STEPS)


def margin_scheduler(full: float, *, start: int = 1, fix: int = 1) -> Rule:
    """MarginScheduler there: from 0 to the full margin between the starts of two epochs, counted from 1."""

    def margin(step: int) -> float:
        first, last = (start - 1) * STEPS, (fix - 1) * STEPS
        if step >= last:
            return full
        return full * (1 - math.exp((step - first) / (last - first) * math.log(1e-3))) if step >= first else 0.0

    return margin


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a source's files say; frames of 25 ms every 10 ms."""

    rate: Rule
    margin: Rule
    epochs: int
    passes: int
    """Over the training utterances in all."""
    batch: int
    """Of all GPUs."""
    frames: int
    min_s: float
    speeds: int
    augmented: float
    """Share of the examples; 5 in 6 in SLT22, where its sixth kind, babble with music, has no share here."""


W2V_BERT = {"epochs": 15, "passes": 45, "batch": 8 * 64, "frames": 300, "min_s": 2.0, "speeds": 3, "augmented": 0.667}
MHFA = {"epochs": 10, "passes": 10, "batch": 4 * 128, "frames": 300, "min_s": 1.0, "speeds": 1, "augmented": 0.6}
SOURCES = {
    "voxceleb_w2v_bert": Source(**W2V_BERT, rate=warmup_with_step_decay, margin=margin_scheduler(0.2)),
    "voxceleb_w2v_bert_joint": Source(
        **W2V_BERT | {"epochs": 4, "passes": 12}, rate=warmup_cosine(2), margin=margin_scheduler(0.2)
    ),
    "voxceleb_w2v_bert_lm": Source(
        rate=warmup_cosine(1),
        margin=margin_scheduler(0.5),
        epochs=2,
        passes=2,
        batch=8 * 32,
        frames=600,
        min_s=5.0,
        speeds=1,
        augmented=0.0,
    ),
    "voxceleb_wavlm_mhfa": Source(
        **MHFA,
        rate=exponential_decrease(0.1, 5e-3, epochs=10, warm_up=3, batch=512),
        margin=margin_scheduler(0.2, start=2, fix=5),
    ),
    "voxceleb_wavlm_mhfa_joint": Source(
        **MHFA,
        rate=exponential_decrease(1e-4, 1e-6, epochs=10, warm_up=2, batch=512),
        margin=margin_scheduler(0.2),
    ),
    "voxceleb_wavlm_mhfa_lm": Source(
        **MHFA | {"epochs": 3, "passes": 3, "batch": 4 * 16, "frames": 500},
        rate=exponential_decrease(1e-5, 1e-7, epochs=3, warm_up=1, batch=64),
        margin=margin_scheduler(0.5),
    ),
    "voxceleb_wavlm_mhfa_by_layer": Source(
        **MHFA | {"epochs": 15, "passes": 15, "batch": 4 * 120, "min_s": 0.0, "augmented": 0.8},
        rate=step_lr,
        margin=margin_scheduler(0.2),
    ),
}
AFTER_EPOCHS = (0.01, 0.3, 0.5, 0.99, 1.0, 1.5, 1.999, 2.5, 3.0, 4.2, 5.0, 7.7, 9.99, 10.01, 12.5, 14.99)


@pytest.mark.parametrize("experiment", SOURCES)
def test_learning_rate_and_margin_are_the_sources(experiment: str, composed: Callable[..., Any]):
    recipe, source = composed("train", f"experiment={experiment}").recipe, SOURCES[experiment]
    rate = instantiate(recipe["scheduler"]["learning_rate"])
    margin = instantiate(recipe["scheduler"]["margin"])
    for epoch in AFTER_EPOCHS:
        if epoch < source.epochs:
            progress, step = epoch / source.epochs, round(epoch * STEPS)
            here = f"after {epoch} epochs"
            least = 2e-3 * recipe["optimizer"]["lr"]
            expected = pytest.approx(source.rate(step), rel=5e-3, abs=least)
            assert recipe["optimizer"]["lr"] * rate(progress) == expected, here
            height = recipe["loss"]["margin"] * margin(progress)
            assert height == pytest.approx(source.margin(step), rel=2e-3, abs=1e-9), here


@pytest.mark.parametrize("experiment", SOURCES)
def test_examples_are_the_sources(experiment: str, composed: Callable[..., Any]):
    recipe, source = composed("train", f"experiment={experiment}").recipe, SOURCES[experiment]
    training = recipe["trainer"]
    assert training["num_epochs"] == source.epochs
    assert training["num_epochs"] * training["passes_per_epoch"] == source.passes
    assert training["batch_size"] == source.batch
    assert training["crop_s"] == pytest.approx(((source.frames - 1) * 10 + 25) / 1000)
    assert training["min_utterance_s"] == source.min_s
    assert training["speeds"] == [1.0, 0.9, 1.1][: source.speeds]
    steps = (recipe["augment"]["chain"] or {"steps": []})["steps"]
    shares = [choice["probability"] for step in steps for choice in step["choices"]]
    assert sum(shares) == pytest.approx(source.augmented, abs=1e-6)


@pytest.mark.parametrize("experiment", SOURCES)
def test_head_reads_all_layers_and_the_front_end_learns_from_the_second_stage_on(
    experiment: str, composed: Callable[..., Any]
):
    """Layers and width of transformers' defaults, which are W2V-BERT 2.0's and WavLM Base+'s."""
    transformers = pytest.importorskip("transformers")
    recipe, w2v_bert = composed("train", f"experiment={experiment}").recipe, "w2v" in experiment
    config = transformers.Wav2Vec2BertConfig() if w2v_bert else transformers.WavLMConfig()
    front_end, model = recipe["features"]["front_end"], recipe["model"]
    assert model["num_layers"] == config.num_hidden_layers + 1
    assert model["num_mels"] == front_end["dim"] == model["num_layers"] * config.hidden_size
    first = experiment in ("voxceleb_w2v_bert", "voxceleb_wavlm_mhfa")
    assert front_end["frozen"] == first
    assert (front_end["lora_rank"], front_end["lora_alpha"]) == (64 if w2v_bert and first else 0, 128.0)
    assert recipe["optimizer"].get("weight_decay") == (
        1e-4 if w2v_bert else None if experiment.endswith("by_layer") else 1e-7
    )


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("features", "normalised"),
    [
        ("wavlm_large", True),
        ("wavlm_base_plus", False),
        ("wavlm_base_plus_layers", False),
        ("hubert_large", True),
        ("wav2vec2_xls_r_300m", True),
    ],
)
def test_models_get_the_waveforms_that_they_were_trained_on(
    features: str, normalised: bool, composed: Callable[..., Any]
):
    """``do_normalize`` of the models' preprocessor_config.json, ``normalize`` in WavLM's own checkpoints."""
    front_end = composed("train", f"features={features}").recipe["features"]["front_end"]
    assert front_end["normalise"] == normalised


@pytest.mark.parametrize("features", ["wavlm_large", "wavlm_base_plus", "hubert_large", "wav2vec2_xls_r_300m"])
def test_sums_of_layers_lose_their_mean_over_the_utterance(features: str, composed: Callable[..., Any]):
    """``cmvn`` with ``norm_mean`` alone in wespeaker's ecapa_tdnn_WavLM_frozen.yaml and what follows it."""
    front_end = composed("train", f"features={features}").recipe["features"]["front_end"]
    assert (front_end["mean_norm"], front_end["layer_norm"]) == (True, False)
