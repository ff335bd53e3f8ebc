"""What every loss over the training speakers keeps: gradients, scale, autocast, sampling, weighting, checks."""

import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from avis.losses.aam_softmax import AamSoftmax
from avis.losses.am_softmax import AmSoftmax
from avis.losses.circle import Circle
from avis.losses.classifier import CosineClassifier, SpeakerClassifier, effective_number
from avis.losses.inter_top_k import InterTopK
from avis.losses.margin import set_margins
from avis.losses.softmax import Softmax
from avis.losses.sphereface2 import SphereFace2

NUM_SPEAKERS, DIM = 5, 6
Build = Callable[..., SpeakerClassifier]
ANGULAR = {"num_subcenters": 1, "scale": 5.0}
MARGINS: dict[str, Build] = {
    "aam": partial(AamSoftmax, **ANGULAR, margin=0.3),
    "aam_wide": partial(AamSoftmax, **ANGULAR, margin=1.2),
    "aam_subcenters": partial(AamSoftmax, scale=5.0, margin=0.3, num_subcenters=3),
    "am": partial(AmSoftmax, **ANGULAR, margin=0.3),
    "inter_top_k": partial(InterTopK, **ANGULAR, margin=0.3, num_nearest=2, penalty=0.1),
}
COSINE: dict[str, Build] = {
    **MARGINS,
    "sphereface2_c": partial(SphereFace2, scale=5.0, margin=0.2, margin_type="C"),
    "sphereface2_a": partial(SphereFace2, scale=5.0, margin=0.2, margin_type="A"),
    "circle": partial(Circle, **ANGULAR, relaxation=0.35),
}
ALL: dict[str, Build] = {**COSINE, "softmax": partial(Softmax)}


def build(name: str, *, sample_rate: float = 1.0, balance: float = 0.0, num_speakers: int = 5) -> SpeakerClassifier:
    torch.manual_seed(0)
    return ALL[name](embedding_dim=DIM, num_speakers=num_speakers, sample_rate=sample_rate, balance=balance)


def some(num: int = 16, num_speakers: int = NUM_SPEAKERS) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(num, DIM, generator=generator), torch.randint(num_speakers, (num,), generator=generator)


@pytest.mark.parametrize("name", sorted(ALL.keys() - {"circle"}))  # its factors are constants to the gradient
def test_gradients_match_finite_differences(name: str):
    criterion = build(name).double()
    names = [key for key, _ in criterion.named_parameters()]
    values = [value.detach().requires_grad_() for value in criterion.parameters()]
    embeddings = some(NUM_SPEAKERS)[0].double().requires_grad_()

    def loss(embeddings: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        given = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(criterion, given, (embeddings, torch.arange(NUM_SPEAKERS)))[0]

    assert torch.autograd.gradcheck(loss, (embeddings, *values))


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("name", ALL)
def test_gradients_are_finite_on_and_opposite_the_centre(name: str, sign: float):
    criterion = build(name)
    embeddings = (sign * criterion.weight.detach()[:: criterion.num_subcenters].clone()).requires_grad_()
    loss, _ = criterion(embeddings, torch.arange(NUM_SPEAKERS))
    loss.backward()
    assert loss.isfinite()
    assert embeddings.grad.isfinite().all()
    assert criterion.weight.grad.isfinite().all()
    assert embeddings.grad.abs().max() < 1e3


@pytest.mark.parametrize("name", ALL)
def test_loss_is_the_mean_over_the_batch(name: str):
    criterion, (embeddings, speakers) = build(name), some(4)
    singles = [criterion(embeddings[i : i + 1], speakers[i : i + 1])[0] for i in range(4)]
    torch.testing.assert_close(criterion(embeddings, speakers)[0], torch.stack(singles).mean())


@pytest.mark.parametrize("name", COSINE)
def test_lengths_do_not_matter(name: str):
    criterion, (embeddings, speakers) = build(name), some(4)
    before = criterion(embeddings, speakers)[0]
    criterion.weight.data *= torch.rand(len(criterion.weight), 1) + 0.5
    longer = embeddings * torch.tensor([[0.1], [1], [10], [1e3]])
    torch.testing.assert_close(criterion(longer, speakers)[0], before)


@pytest.mark.parametrize("name", sorted(MARGINS.keys() - {"aam_subcenters"}))
def test_without_margin_it_is_softmax_cross_entropy_of_cosines(name: str):
    criterion, (embeddings, speakers) = build(name), some()
    set_margins(criterion, 0.0)
    cosines = torch.stack([functional.cosine_similarity(embeddings, w.unsqueeze(0)) for w in criterion.weight], dim=1)
    loss, correct = criterion(embeddings, speakers)
    torch.testing.assert_close(loss, functional.cross_entropy(5.0 * cosines, speakers))
    assert correct.tolist() == (cosines.argmax(dim=1) == speakers).tolist()


@pytest.mark.parametrize("name", sorted(COSINE.keys() - {"circle"}))
def test_a_schedule_raises_the_margin(name: str):
    criterion, (embeddings, speakers) = build(name), some()
    losses, decisions = [], []
    for share in (0.0, 0.5, 1.0):
        set_margins(criterion, share)
        loss, correct = criterion(embeddings, speakers)
        losses.append(loss.item())
        decisions.append(correct.tolist())
    assert losses[0] < losses[1] < losses[2]
    assert decisions[0] == decisions[1] == decisions[2]
    torch.testing.assert_close(torch.tensor(losses[2]), build(name)(embeddings, speakers)[0])


@pytest.mark.parametrize("name", ["softmax", "circle"])
def test_a_loss_without_margin_has_nothing_to_schedule(name: str):
    criterion, (embeddings, speakers) = build(name), some()
    before = criterion(embeddings, speakers)[0]
    set_margins(criterion, 0.0)
    torch.testing.assert_close(criterion(embeddings, speakers)[0], before, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("device", "dtype"), [("cpu", torch.bfloat16), pytest.param("cuda", torch.float16, marks=pytest.mark.gpu)]
)
@pytest.mark.parametrize("name", ALL)
def test_autocast_computes_in_float32(name: str, device: str, dtype: torch.dtype):
    criterion, (embeddings, speakers) = build(name).to(device), some(8)
    embeddings, speakers = embeddings.to(device, dtype), speakers.to(device)
    expected, _ = criterion(embeddings.float(), speakers)
    with torch.autocast(device, dtype=dtype):
        loss, _ = criterion(embeddings, speakers)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, expected, rtol=0, atol=0)


@pytest.mark.parametrize("name", ALL)
def test_only_sampled_speakers_get_a_gradient(name: str):
    criterion, (embeddings, speakers) = build(name, sample_rate=0.2, num_speakers=100), some(num_speakers=100)
    criterion(embeddings, speakers)[0].backward()
    touched = criterion.weight.grad.unflatten(0, (100, -1)).abs().sum(dim=(1, 2)) > 0
    assert touched[speakers].all()
    assert touched.sum() <= 20


@pytest.mark.parametrize("name", ALL)
def test_a_sample_s_loss_is_that_of_a_head_with_these_speakers_alone(name: str):
    criterion, (embeddings, speakers) = build(name, sample_rate=0.2, num_speakers=100), some(num_speakers=100)
    torch.manual_seed(7)
    loss, correct = criterion(embeddings, speakers)
    torch.manual_seed(7)
    sample, target = criterion._sample(speakers)
    assert sample.tolist() == sorted(set(sample.tolist()))
    assert sample[target].tolist() == speakers.tolist()
    assert len(sample) == 20
    small = build(name, num_speakers=20)
    small.weight.data = criterion.weight.data.unflatten(0, (100, -1))[sample].flatten(0, 1)
    if isinstance(criterion, SphereFace2):
        small.bias.data = criterion.bias.data
    expected, expected_correct = small(embeddings, target)
    torch.testing.assert_close(loss, expected)
    assert correct.tolist() == expected_correct.tolist()


def test_every_other_speaker_is_sampled_about_equally_often():
    criterion = build("aam", sample_rate=0.3, num_speakers=20)
    counts = torch.zeros(20)
    for _ in range(2000):
        counts[criterion._sample(torch.tensor([3, 3, 11]))[0]] += 1
    assert counts[[3, 11]].tolist() == [2000, 2000]
    others = counts[[i for i in range(20) if i not in (3, 11)]] / 2000
    assert (others - 4 / 18).abs().max() < 0.05


def test_a_batch_of_more_speakers_than_the_sample_is_kept_whole():
    sample, target = build("aam", sample_rate=0.01)._sample(torch.tensor([4, 0, 2]))
    assert (sample.tolist(), target.tolist()) == ([0, 2, 4], [2, 0, 1])


@pytest.mark.parametrize("name", ALL)
def test_all_speakers_count_at_a_rate_of_one_and_in_evaluation(name: str):
    embeddings, speakers = some()
    plain = build(name)(embeddings, speakers)[0]
    torch.testing.assert_close(build(name, sample_rate=0.2).eval()(embeddings, speakers)[0], plain, rtol=0, atol=0)
    assert build(name)._sample(speakers) == (None, speakers)


def gradients_of_samples_of_all(rank: int, file: str) -> None:
    """In one of two processes: hold heads that draw all speakers to plain ones over both processes' examples."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
    (embeddings, speakers), half = some(), slice(8 * rank, 8 * rank + 8)
    for name in ALL:
        plain, sampled = build(name), build(name, sample_rate=0.99)
        torch.manual_seed(rank)  # each process draws for itself
        assert len(sampled._sample(speakers[half])[0]) == NUM_SPEAKERS
        parallel = DistributedDataParallel(sampled)
        parallel(embeddings[half], speakers[half])[0].backward()
        plain(embeddings, speakers)[0].backward()
        for (parameter, alone), shared in zip(plain.named_parameters(), sampled.parameters(), strict=True):
            torch.testing.assert_close(shared.grad, alone.grad, msg=lambda m, t=f"{name} {parameter}": f"{t}: {m}")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_that_sample_all_speakers_have_the_gradients_of_one_plain_head(tmp_path: Path):
    torch.multiprocessing.spawn(gradients_of_samples_of_all, (str(tmp_path / "rendezvous"),), nprocs=2)


@pytest.mark.parametrize("name", ALL)
def test_balance_weighs_speakers_by_their_utterances(name: str):
    criterion, (embeddings, speakers) = build(name, balance=1.0), some(4)
    utterances = torch.tensor([1, 2, 4, 8, 16])
    criterion.weigh(utterances)
    singles = torch.stack([build(name)(embeddings[i : i + 1], speakers[i : i + 1])[0] for i in range(4)])
    weights = 1 / utterances[speakers]
    torch.testing.assert_close(criterion(embeddings, speakers)[0], (weights * singles).sum() / weights.sum())


def test_equal_counts_weigh_nothing_and_the_weights_stay_out_of_checkpoints():
    embeddings, speakers = some()
    criterion = build("aam", balance=0.9)
    criterion.weigh(torch.full((NUM_SPEAKERS,), 7))
    torch.testing.assert_close(criterion(embeddings, speakers)[0], build("aam")(embeddings, speakers)[0])
    assert list(criterion.state_dict()) == ["weight"]


def test_effective_number_between_its_extremes():
    counts = torch.tensor([1, 10, 1000])
    assert effective_number(counts, 0.0).tolist() == [1, 1, 1]
    assert effective_number(counts, 1.0).tolist() == [1, 10, 1000]
    torch.testing.assert_close(effective_number(counts, 0.9), (1 - 0.9 ** counts.float()) / 0.1)


@pytest.mark.parametrize("speaker", [-1, 5])
def test_speaker_out_of_range_is_refused(speaker: int):
    with pytest.raises(ValueError, match=r"got speakers=.* expected 0 \.\.\. 4"):
        build("softmax")(torch.randn(2, 6), torch.tensor([0, speaker]))


@pytest.mark.parametrize("name", ALL)
def test_one_speaker_is_refused(name: str):
    with pytest.raises(ValueError, match="got num_speakers=1, expected at least 2"):
        build(name, num_speakers=1)


@pytest.mark.parametrize("values", [{"sample_rate": 0.0}, {"sample_rate": 1.1}, {"balance": -0.1}, {"balance": 1.5}])
def test_shares_out_of_range_are_refused(values: dict[str, float]):
    with pytest.raises(ValueError, match=f"got {next(iter(values))}="):
        build("softmax", **values)


@pytest.mark.parametrize("name", ALL)
def test_pickles_with_its_margin(name: str):
    criterion, (embeddings, speakers) = build(name), some()
    set_margins(criterion, 0.3)
    copy = pickle.loads(pickle.dumps(criterion))
    torch.testing.assert_close(copy(embeddings, speakers)[0], criterion(embeddings, speakers)[0], rtol=0, atol=0)


def test_the_nearest_subcentre_counts():
    criterion = AamSoftmax(
        embedding_dim=2, num_speakers=2, scale=1.0, margin=0.0, num_subcenters=2, sample_rate=1.0, balance=0.0
    ).double()
    assert isinstance(criterion, CosineClassifier)
    criterion.weight.data = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], dtype=torch.float64)
    cosines = criterion.similarities(torch.tensor([[-2.0, 0.0], [0.6, 0.8]], dtype=torch.float64))
    assert cosines.tolist() == [pytest.approx([1.0, 0.0]), pytest.approx([0.6, 1.0])]
