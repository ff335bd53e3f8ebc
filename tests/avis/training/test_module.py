"""The training module: it learns, it validates truthfully, it follows its schedules."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from scipy.interpolate import interp1d
from scipy.optimize import brentq
from sklearn.metrics import roc_curve
from torch import Tensor, nn

from avis.augment.mixup import mixup
from avis.checkpoints.ancestry import read_lineage
from avis.checkpoints.checkpoint import Checkpoint
from avis.lineage import Lineage, TrainedOn
from avis.losses.aam_softmax import AamSoftmax
from avis.losses.ge2e import Ge2e
from avis.models.ecapa_tdnn import EcapaTdnn
from avis.models.pooling import AttentiveStatisticsPooling
from avis.random_streams import stream
from avis.training.module import SpeakerVerifier, all_pairs
from avis.training.schedules import MarginRamp, WarmupCosine
from avis.training.step_figures import check_converging

NUM_SPEAKERS, NUM_MELS = 4, 20
PEAK = 0.01
LINEAGE = Lineage().then(TrainedOn(speakers=["a", "b", "c", "d"], audio=np.array([3, 5])))


class LoggedVerifier(SpeakerVerifier):
    """A module without a trainer, which remembers what it logs."""

    def log_dict(self, dictionary: dict[str, Any], **_: Any) -> None:
        self.logged = dictionary


def verifier(model: nn.Module, dim: int, *, steps: int = 10) -> LoggedVerifier:
    return LoggedVerifier(
        front_end=None,
        model=model,
        loss=AamSoftmax(
            embedding_dim=dim,
            num_speakers=NUM_SPEAKERS,
            scale=30.0,
            margin=0.2,
            num_subcenters=1,
            sample_rate=1.0,
            balance=0.0,
        ),
        optimizer=partial(torch.optim.AdamW, lr=PEAK),
        learning_rate=WarmupCosine(warmup=0.2, final=0.1),
        margin=MarginRamp(start=0.2, end=0.6),
        mixup_alpha=0.0,
        num_epochs=2,
        steps_per_epoch=steps,
        recipe={"seed": 0},
        lineage=LINEAGE,
    )


def ecapa() -> EcapaTdnn:
    torch.manual_seed(0)
    return EcapaTdnn(
        num_mels=NUM_MELS,
        channels=16,
        embedding_dim=8,
        mfa_channels=24,
        pooling=partial(AttentiveStatisticsPooling, attention_channels=8),
        se_channels=8,
        scale=8,
        stride=1,
    )


def voices(num: int, seed: int) -> dict[str, Tensor]:
    """Return noise about a spectrum per speaker: [num, 30 frames, mels]."""
    spectra = torch.randn(NUM_SPEAKERS, 1, NUM_MELS, generator=torch.Generator().manual_seed(0))
    speakers = torch.arange(num) % NUM_SPEAKERS
    noise = torch.randn(num, 30, NUM_MELS, generator=torch.Generator().manual_seed(seed))
    return {"features": spectra[speakers] + noise, "speaker": speakers}


def validate(module: LoggedVerifier) -> dict[str, float]:
    module.on_validation_epoch_end()
    return module.logged


def test_training_under_aam_softmax_lowers_the_loss():
    module = verifier(ecapa(), 8)
    optimizer = module.configure_optimizers()
    losses = []
    for step in range(20):
        module.set_progress(step / 20)
        loss = module.training_step(voices(16, seed=step), step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        module.loss.margin.share = 0.0  # so that all steps are measured alike
        with torch.no_grad():
            losses.append(float(module.training_step(voices(16, seed=99), step)))
    assert np.mean(losses[-3:]) < 0.3 * np.mean(losses[:3])


def test_learning_rate_and_margin_follow_progress():
    module = verifier(ecapa(), 8, steps=10)
    optimizer = module.configure_optimizers()
    expected = [(0.0, 0.001, 0.0), (0.1, 0.5005, 0.0), (0.2, 1.0, 0.0), (0.6, 0.55, 0.2), (1.0, 0.1, 0.2)]
    for progress, rate, margin in expected:
        module.set_progress(progress)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(PEAK * rate)
        assert module.loss.margin.height == pytest.approx(margin)
    module.on_train_batch_start(voices(4, 0), 4)  # the fifth of ten steps of the first of two epochs
    assert optimizer.param_groups[0]["lr"] == pytest.approx(PEAK)


def test_the_optimizer_has_the_loss_s_speakers_too():
    module = verifier(ecapa(), 8)
    optimised = {id(parameter) for group in module.configure_optimizers().param_groups for parameter in group["params"]}
    assert optimised == {id(parameter) for parameter in module.parameters()}
    assert id(module.loss.weight) in optimised


def test_validation_error_rate_equals_an_independent_computation():
    rng = np.random.default_rng(0)
    speakers = [f"s{i}" for i in rng.integers(6, size=60)]
    means = rng.normal(size=(6, 5))
    embeddings = np.stack([means[int(name[1:])] for name in speakers]) + 1.2 * rng.normal(size=(60, 5))
    module = verifier(nn.Identity(), 5)
    for start in (0, 7, 40):
        end = {0: 7, 7: 40, 40: 60}[start]
        inputs = {"features": torch.from_numpy(embeddings[start:end]).float()}
        module.validation_step((inputs, speakers[start:end]), start)
    logged = validate(module)

    scores, target = [], []
    for i in range(60):
        for j in range(i):
            one, other = embeddings[i].astype(np.float32), embeddings[j].astype(np.float32)
            scores.append(one @ other / np.sqrt((one @ one) * (other @ other)))
            target.append(speakers[i] == speakers[j])
    fpr, tpr, _ = roc_curve(target, scores, drop_intermediate=False)
    eer = brentq(lambda rate: 1.0 - rate - interp1d(fpr, tpr)(rate), 0.0, 1.0)
    assert 0.05 < eer < 0.5
    assert logged["val/eer"] == pytest.approx(eer, abs=1e-6)
    assert 0.5 < logged["val/accuracy"] <= 1
    assert module.validation == []


def test_validation_puts_the_workers_uneven_shares_together(monkeypatch: pytest.MonkeyPatch):
    """The gather itself runs for real in the training on two workers, tests/avis/engine/test_train.py."""
    generator = torch.Generator().manual_seed(0)
    embeddings, speakers = torch.randn(9, 5, generator=generator), list("aabbccabc")
    alone = verifier(nn.Identity(), 5)
    alone.validation_step(({"features": embeddings}, speakers), 0)
    expected = validate(alone)

    shares = [
        [(embeddings[:4], speakers[:4]), (embeddings[4:6], speakers[4:6])],
        [(embeddings[6:], speakers[6:])],
    ]

    def gather(into: list[Any], mine: list[Any]) -> None:
        assert len(into) == 2
        assert len(mine) == 1
        into[:] = shares

    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(torch.distributed, "all_gather_object", gather)
    second = verifier(nn.Identity(), 5)
    second.validation_step(({"features": embeddings[6:]}, speakers[6:]), 0)
    assert validate(second) == expected


def test_all_pairs_are_each_scored_once():
    vectors = np.array([[1, 0], [0, 2], [3, 3]], np.float32)
    scores, target = all_pairs(vectors, np.array(["a", "b", "a"]))
    np.testing.assert_allclose(scores, [0, np.sqrt(0.5), np.sqrt(0.5)], rtol=1e-6)
    assert target.tolist() == [False, True, False]


def test_a_loss_that_is_no_number_ends_the_training_when_it_is_read_and_is_never_saved():
    module = verifier(ecapa(), 8)
    module.configure_optimizers()
    batch = voices(4, seed=0)
    module.training_step(batch, 2)
    batch["features"][0, 0, 0] = torch.nan
    module.training_step(batch, 3)
    diverged = r"training diverged: got loss=nan.*At epoch 0, step 3\. Lower optimizer\.lr"
    with pytest.raises(ValueError, match=diverged):
        module.on_save_checkpoint({})
    with pytest.raises(ValueError, match=diverged):
        check_converging(module.take_figures())


@pytest.mark.gpu
def test_a_validation_makes_no_gpu_wait():
    module = verifier(ecapa(), 8).cuda().eval()
    for step in range(3):
        inputs = {"features": voices(4, seed=step)["features"], "seconds": torch.zeros(4, 3)}
        batch = module.on_before_batch_transfer((inputs, list("aabb")), 0)
        inputs, speakers = module.transfer_batch_to_device(batch, module.device, 0)
        assert inputs["features"].is_cuda
        assert not inputs["seconds"].is_cuda
        torch.cuda.set_sync_debug_mode("error" if step else "default")  # the first one prepares kernels
        with torch.no_grad():
            module.validation_step((inputs, speakers), step)
        torch.cuda.set_sync_debug_mode("default")
    assert 0 <= validate(module)["val/eer"] <= 1


@pytest.mark.gpu
def test_a_step_makes_no_gpu_wait():
    module = verifier(ecapa(), 8).cuda()
    optimizer = module.configure_optimizers()
    for step in range(3):
        batch = {**voices(8, seed=step), "seconds": torch.zeros(8, 3)}
        batch = module.transfer_batch_to_device(module.on_before_batch_transfer(batch, 0), module.device, 0)
        assert batch["seconds"].device.type == "cpu"
        torch.cuda.set_sync_debug_mode("error" if step else "default")  # the first one prepares kernels
        loss = module.training_step(batch, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        torch.cuda.set_sync_debug_mode("default")
    assert len(module.take_figures()) == 3


def test_weights_that_are_no_numbers_are_never_saved():
    module = verifier(ecapa(), 8)
    module.on_save_checkpoint({"state_dict": module.state_dict()})
    module.model.embedding.weight.data[0, 0] = torch.inf
    with pytest.raises(ValueError, match=r"training diverged: got weights 'model\.embedding\.weight' .*At epoch 0"):
        module.on_save_checkpoint({"state_dict": module.state_dict()})


def test_steps_are_read_together_and_add_up_to_the_epoch_s_history_across_a_checkpoint():
    module, checkpoint = verifier(nn.Flatten(), 30 * NUM_MELS), {}
    module.configure_optimizers()
    for step in range(3):
        loss = module.training_step(voices(8, seed=step), step)
        if step == 1:
            module.on_save_checkpoint(checkpoint)
    figures = module.take_figures()
    assert [(step.epoch, step.step) for step in figures] == [(0, 0), (0, 1), (0, 2)]
    assert figures[2].loss == loss.item()
    assert module.take_figures() == []
    resumed = verifier(nn.Flatten(), 30 * NUM_MELS)
    resumed.load_state_dict(module.state_dict())
    resumed.configure_optimizers()
    resumed.on_load_checkpoint(checkpoint)
    resumed.training_step(voices(8, seed=2), 2)
    for each in (module, resumed):
        each.validation_step(({"features": voices(4, 0)["features"]}, list("aabb")), 0)
        validate(each)
    assert resumed.history == module.history
    assert module.history[0]["loss"] == pytest.approx(np.mean([step.loss for step in figures]))


def test_checkpoints_hold_recipe_and_lineage():
    checkpoint: dict[str, Any] = {}
    verifier(ecapa(), 8).on_save_checkpoint(checkpoint)
    assert (checkpoint["recipe"], checkpoint["speakers"]) == ({"seed": 0}, ["a", "b", "c", "d"])
    assert read_lineage(checkpoint, "x").heard(np.array([4, 5])) == {1: ""}


def test_the_weights_of_a_loss_without_rows_are_taken_over_too():
    module, other = verifier(nn.Linear(3, 2), 2), verifier(nn.Linear(3, 2), 2)
    module.loss, other.loss = Ge2e(utterances_per_speaker=2), Ge2e(utterances_per_speaker=2)
    other.loss.scale.data.fill_(3.0)
    trained = {"recipe": {}, "lineage": other.lineage, "epoch": 0, "global_step": 0, "weights": other.state_dict()}
    module.start_from(Checkpoint(uri="other.ckpt", digest="", **trained))
    assert module.loss.scale.item() == 3.0


def test_mixup_weighs_the_losses_of_both_labels_like_the_waveforms():
    module = verifier(ecapa(), 8).eval()
    module.front_end, module.mixup_alpha = nn.Unflatten(1, (30, NUM_MELS)), 1.0
    module.configure_optimizers()
    batch = voices(8, seed=3)
    batch["waveforms"] = batch.pop("features").flatten(1)
    loss = module.training_step(batch, 5)
    draws = {"rng": stream(0, "mixup share", 0, 5), "partners": stream(0, "mixup partners", 0, 5, 0)}
    mixed = mixup(batch["waveforms"], alpha=1.0, **draws)
    embeddings = module.model(mixed.waveforms.unflatten(1, (30, NUM_MELS)))
    ours, theirs = (
        module.loss(embeddings, labels)[0] for labels in (batch["speaker"], batch["speaker"][mixed.partner])
    )
    assert 0 < mixed.share < 0.5
    assert loss.item() == pytest.approx((1 - mixed.share) * ours.item() + mixed.share * theirs.item(), rel=1e-5)
