"""One loss of one batch: the same loss, gradients and statistics on 1, 2 and 4 workers, with shares of any size."""

import functools
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from avis.lineage import Lineage
from avis.losses.aam_softmax import AamSoftmax
from avis.losses.am_softmax import AmSoftmax
from avis.losses.class_mixing import ClassMixing
from avis.losses.classifier import weigh_speakers
from avis.losses.distillation import Distillation, watch_student
from avis.losses.ge2e import Ge2e
from avis.losses.joint import Joint
from avis.losses.prototypical import AngularPrototypical, Prototypical
from avis.losses.sup_con import SupCon
from avis.losses.triplet import Triplet
from avis.losses.whole_batch import WholeBatch, set_whole_batch
from avis.models.ecapa_tdnn import EcapaTdnn
from avis.models.pooling import AttentiveStatisticsPooling
from avis.models.synchronised_norm import synchronise
from avis.training.module import SpeakerVerifier
from avis.training.schedules import MarginRamp, WarmupCosine

NUM_SPEAKERS, NUM_MELS, FRAMES, DIM, PER_SPEAKER = 8, 6, 12, 4, 2
SHARES = {1: [12], 2: [6, 6], 4: [4, 4, 2, 2]}
STEPS = 3
Outcomes = Callable[[int], list[dict[str, Any]]]

CLASSES = {"num_subcenters": 1, "sample_rate": 1.0}
ALL: dict[str, Callable[[], nn.Module]] = {
    "aam_softmax": lambda: aam(balance=0.0),
    "aam_softmax, balanced": lambda: aam(balance=0.9),
    "ge2e": lambda: Ge2e(utterances_per_speaker=PER_SPEAKER),
    "prototypical": lambda: Prototypical(utterances_per_speaker=PER_SPEAKER),
    "angular_prototypical": lambda: AngularPrototypical(utterances_per_speaker=PER_SPEAKER),
    "triplet": lambda: Triplet(margin=0.3),
    "sup_con": lambda: SupCon(temperature=0.1),
    "class_mixing": lambda: ClassMixing(
        embedding_dim=DIM,
        num_speakers=NUM_SPEAKERS,
        classification=functools.partial(AmSoftmax, scale=10.0, margin=0.2, balance=0.0, **CLASSES),
        mixed_weight=1.0,
    ),
    "distillation": lambda: Distillation(
        embedding_dim=DIM,
        num_speakers=NUM_SPEAKERS,
        classification=aam(balance=0.0),
        teacher=Flat().double(),
        distance="mse",
        distance_weight=0.5,
    ),
    "joint": lambda: Joint(
        embedding_dim=DIM,
        num_speakers=NUM_SPEAKERS,
        classification=aam(balance=0.5),
        comparison=Ge2e(utterances_per_speaker=PER_SPEAKER),
        comparison_weight=0.7,
    ),
}


class Flat(nn.Module):
    """A model of everything that is normalised: of frames, of utterances, and of images."""

    embedding_dim = DIM

    def __init__(self) -> None:
        super().__init__()
        self.image, self.frame = nn.BatchNorm2d(1), nn.BatchNorm1d(NUM_MELS)
        self.linear, self.norm = nn.Linear(NUM_MELS * FRAMES, DIM), nn.BatchNorm1d(DIM, affine=False)

    def forward(self, features: Tensor) -> Tensor:
        frames = self.frame(self.image(features.unsqueeze(1)).squeeze(1).transpose(1, 2))
        return self.norm(self.linear(torch.tanh(frames).flatten(1)))


class Step(nn.Module):
    """A model under a loss, as DDP wants it."""

    def __init__(self, model: nn.Module, loss: nn.Module) -> None:
        super().__init__()
        self.model, self.loss = model, loss
        watch_student(loss, model)

    def forward(self, features: Tensor, speakers: Tensor) -> Tensor:
        return self.loss(self.model(features), speakers)[0]


class TrainingStep(nn.Module):
    """The training's module, as Lightning's strategy gives it to DDP."""

    def __init__(self, verifier: SpeakerVerifier) -> None:
        super().__init__()
        self.verifier = verifier

    def forward(self, batch: dict[str, Tensor], step: int) -> Tensor:
        return self.verifier.training_step(batch, step)


def aam(balance: float) -> nn.Module:
    return AamSoftmax(embedding_dim=DIM, num_speakers=NUM_SPEAKERS, scale=10.0, margin=0.2, balance=balance, **CLASSES)


def examples(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return the whole batch; its parts differ in mean and spread, as those of one worker may from another's."""
    generator = torch.Generator().manual_seed(seed)
    place = torch.arange(12.0).view(-1, 1, 1)
    features = torch.randn(12, FRAMES, NUM_MELS, generator=generator) * (1 + 0.1 * place) + 0.2 * place
    return features, torch.tensor([0, 1, 2, 3, 4, 5]).repeat_interleave(PER_SPEAKER)


def take_step(name: str, sizes: list[int], rank: int) -> dict[str, Any]:
    """Return the loss, the gradients and the running statistics of one step under a loss."""
    torch.manual_seed(0)
    step = Step(Flat(), ALL[name]()).double()
    weigh_speakers(step.loss, torch.tensor([1, 2, 30, 4, 50, 6, 7, 8]))
    synchronise(step.model)
    shared = len(sizes) > 1
    set_whole_batch(step.loss, WholeBatch(sizes if shared else (), rank, (0, 1, 2)))
    features, speakers = (values.split(sizes)[rank] for values in examples())
    features = features.double()
    trained = DistributedDataParallel(step, broadcast_buffers=False) if shared else step
    loss = trained(features, speakers)
    loss.backward()
    value = loss.detach().clone()
    if shared:
        dist.all_reduce(value)
        value /= len(sizes)
    gradients = {key: weight.grad for key, weight in step.named_parameters()}
    return {"loss": value, "gradients": gradients, "statistics": dict(step.model.named_buffers())}


def train(sizes: list[int], rank: int) -> dict[str, Any]:
    """Return the losses, the weights and the seeds of dropout of a few steps of the training's own module."""
    torch.manual_seed(0)
    pooling = functools.partial(AttentiveStatisticsPooling, attention_channels=8)
    sizes_of_model = {"channels": 16, "mfa_channels": 24, "se_channels": 8, "scale": 8, "stride": 1}
    verifier = SpeakerVerifier(
        front_end=None,
        model=EcapaTdnn(num_mels=NUM_MELS, embedding_dim=DIM, pooling=pooling, **sizes_of_model),
        loss=ALL["joint"](),
        optimizer=functools.partial(torch.optim.SGD, lr=0.1),
        learning_rate=WarmupCosine(warmup=0.2, final=0.1),
        margin=MarginRamp(start=0.2, end=0.6),
        mixup_alpha=0.0,
        num_epochs=1,
        steps_per_epoch=STEPS,
        recipe={"seed": 0},
        lineage=Lineage(),
    )
    synchronise(verifier.model)
    optimizer, seeds = verifier.configure_optimizers(), []
    trained = TrainingStep(verifier)
    if len(sizes) > 1:
        trained = DistributedDataParallel(trained, broadcast_buffers=False)
    for step in range(STEPS):
        verifier.on_train_batch_start({}, step)
        features, speakers = (values.split(sizes)[rank] for values in examples(step))
        loss = trained({"features": features, "speaker": speakers}, step)
        seeds.append(torch.initial_seed())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    figures = [(step.loss, step.accuracy) for step in verifier.take_figures()]
    return {"figures": figures, "weights": verifier.state_dict(), "seeds": seeds}


def work(sizes: list[int], rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    if len(sizes) > 1:
        dist.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=len(sizes))
    outcome = {name: take_step(name, sizes, rank) for name in ALL} | {"training": train(sizes, rank)}
    torch.save(outcome, f"{folder}/{rank}.pt")


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """Return what tells what each of so many workers came to."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["avis.training.module"])

    @functools.cache
    def of_workers(num: int) -> list[dict[str, Any]]:
        folder = tmp_path_factory.mktemp("workers")
        workers = [processes.Process(target=work, args=(SHARES[num], rank, str(folder))) for rank in range(num)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return [torch.load(Path(folder, f"{rank}.pt")) for rank in range(num)]

    return of_workers


@pytest.mark.parametrize("num", [2, pytest.param(4, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", sorted(ALL))
def test_loss_and_gradients_are_those_of_one_worker(outcomes: Outcomes, name: str, num: int):
    expected = outcomes(1)[0][name]
    for worker in outcomes(num):
        torch.testing.assert_close(worker[name], expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("num", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_a_training_logs_the_same_losses_and_comes_to_the_same_weights(outcomes: Outcomes, num: int):
    expected = outcomes(1)[0]["training"]
    for worker in outcomes(num):
        torch.testing.assert_close(worker["training"]["figures"], expected["figures"], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(worker["training"]["weights"], expected["weights"], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_each_step_of_each_worker_has_a_dropout_of_its_own(outcomes: Outcomes):
    seeds = [seed for worker in outcomes(4) for seed in worker["training"]["seeds"]]
    assert len(set(seeds)) == 4 * STEPS
    assert outcomes(2)[0]["training"]["seeds"] == outcomes(4)[0]["training"]["seeds"] == seeds[:STEPS]


def test_what_one_worker_does_is_that_of_batch_norm_itself(outcomes: Outcomes):
    torch.manual_seed(0)
    step, (features, speakers) = Step(Flat(), ALL["ge2e"]()).double(), examples()
    loss = step(features.double(), speakers)
    loss.backward()
    plain = {key: weight.grad for key, weight in step.named_parameters()}
    assert type(step.model.norm) is nn.BatchNorm1d
    torch.testing.assert_close(outcomes(1)[0]["ge2e"]["gradients"], plain)


def compared(*, rank: int) -> list[int]:
    """Return which of many speakers a worker compares with in a step of which two are in the batch."""
    head = AamSoftmax(
        embedding_dim=DIM, num_speakers=50, scale=10.0, margin=0.2, balance=0.0, num_subcenters=1, sample_rate=0.2
    )
    set_whole_batch(head, WholeBatch([1, 1], rank, (0, 1, 2)))
    head(torch.randn(2, DIM), torch.tensor([3, 7]))[0].backward()
    return [int(row) for row in head.weight.grad.abs().sum(dim=1).nonzero()]


def test_draws_are_alike_or_each_worker_s_own_and_of_one_purpose():
    def drawn(purpose: str, rank: int, step: int = 0, *, alike: bool = False) -> float:
        generator = WholeBatch(rank=rank, drawn_by=(7, 0, step)).generator(purpose, torch.device("cpu"), alike=alike)
        return torch.rand((), generator=generator).item()

    assert drawn("classes", 0) == drawn("classes", 0)
    assert drawn("partners", 0, alike=True) == drawn("partners", 1, alike=True)
    assert compared(rank=0) == compared(rank=0) != compared(rank=1)
    others = [drawn("classes", 0), drawn("classes", 1), drawn("classes", 0, 1), drawn("partners", 0)]
    assert len(set(others)) == 4
