"""Distillation: distances by hand, a teacher that stays as it is, and a student that follows it."""

import copy
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from avis.losses.distillation import Distillation, watch_student
from avis.losses.joint import Joint
from avis.losses.prototypical import AngularPrototypical
from avis.losses.softmax import Softmax

NUM_INPUTS, DIM, NUM_SPEAKERS = 3, 4, 5


class Linear(nn.Linear):
    """A model with an option, as those that mask the ends of utterances have."""

    def __init__(self, embedding_dim: int) -> None:
        super().__init__(NUM_INPUTS, embedding_dim)
        self.embedding_dim, self.dropout = embedding_dim, nn.Dropout(0.5)

    def forward(self, features: torch.Tensor, factor: float = 1.0) -> torch.Tensor:
        return super().forward(self.dropout(features)) * factor


def build(teacher: Linear, student: Linear, **changes: Any) -> Distillation:
    settings: dict[str, Any] = {"distance": "cosine", "distance_weight": 0.5, **changes}
    loss = Distillation(
        embedding_dim=DIM,
        num_speakers=NUM_SPEAKERS,
        classification=partial(Softmax, sample_rate=1.0, balance=0.0),
        teacher=teacher,
        **settings,
    )
    watch_student(loss, student)
    return loss


def some() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(6, NUM_INPUTS, generator=generator), torch.tensor([0, 1, 2, 3, 4, 0])


@pytest.mark.parametrize("distance", ["cosine", "mse"])
@pytest.mark.parametrize("teacher_dim", [DIM, 7])
def test_distance_by_hand(distance: str, teacher_dim: int):
    torch.manual_seed(0)
    teacher, student, (features, speakers) = Linear(teacher_dim), Linear(DIM), some()
    criterion = build(teacher, student, distance=distance)
    embeddings = student(features, factor=2.0)
    loss, _ = criterion(embeddings, speakers)
    assert not teacher.training
    wanted, mine = teacher(features, factor=2.0).detach(), criterion.project(embeddings).detach()
    cosines = (wanted * mine).sum(dim=1) / wanted.norm(dim=1) / mine.norm(dim=1)
    expected = (1 - cosines).mean() if distance == "cosine" else ((wanted - mine) ** 2).sum() / wanted.numel()
    plain = criterion.classification(embeddings, speakers)[0]
    torch.testing.assert_close(loss, plain + 0.5 * expected)


def test_the_teacher_is_no_part_of_the_loss_and_is_not_trained():
    torch.manual_seed(0)
    teacher, student, (features, speakers) = Linear(7).requires_grad_(False), Linear(DIM), some()
    criterion, before = build(teacher, student).train(), copy.deepcopy(teacher.state_dict())
    assert set(criterion.state_dict()) == {"classification.weight", "classification.bias", "project.weight"}
    optimizer = torch.optim.SGD([*student.parameters(), *criterion.parameters()], lr=0.1)
    criterion(student(features), speakers)[0].backward()
    optimizer.step()
    assert all(torch.equal(before[name], value) for name, value in teacher.state_dict().items())
    assert not teacher.training


def test_a_student_follows_its_teacher():
    torch.manual_seed(0)
    teacher, student, (features, speakers) = Linear(DIM).eval(), Linear(DIM), some()
    student.dropout.p = 0.0
    criterion = build(teacher, student, distance_weight=50.0)
    optimizer = torch.optim.Adam([*student.parameters(), *criterion.parameters()], lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        criterion(student(features), speakers)[0].backward()
        optimizer.step()
    assert functional.cosine_similarity(student(features), teacher(features)).min() > 0.99


def test_under_the_two_labels_of_mixed_examples_the_teacher_counts_once():
    torch.manual_seed(0)
    teacher, student, (features, speakers) = Linear(DIM), Linear(DIM), some()
    criterion, asked = build(teacher, student), []
    teacher.register_forward_hook(lambda *_: asked.append(1))
    embeddings, partners = student(features), speakers.flip(0)
    mixed = 0.7 * criterion(embeddings, speakers)[0] + 0.3 * criterion(embeddings, partners)[0]
    plain = [criterion.classification(embeddings, labels)[0] for labels in (speakers, partners)]
    distance = (1 - functional.cosine_similarity(embeddings, teacher(features))).mean()
    torch.testing.assert_close(mixed, 0.7 * plain[0] + 0.3 * plain[1] + 0.5 * distance)
    assert len(asked) == 2  # once by the loss, once here


def test_a_student_that_does_not_train_has_no_teacher():
    teacher, student, (features, speakers) = Linear(DIM), Linear(DIM).eval(), some()
    criterion, embeddings = build(teacher, student), student(features)
    plain = criterion.classification(embeddings, speakers)[0]
    torch.testing.assert_close(criterion(embeddings, speakers)[0], plain, rtol=0, atol=0)


def test_teachers_are_found_within_other_losses():
    teacher, student = Linear(DIM), Linear(DIM)
    inner = build(teacher, Linear(DIM))
    outer = Joint(
        embedding_dim=DIM,
        num_speakers=NUM_SPEAKERS,
        classification=inner,
        comparison=AngularPrototypical(utterances_per_speaker=2),
        comparison_weight=1.0,
    )
    watch_student(outer, student)
    student(some()[0])
    assert inner.seen is not None


def test_autocast_and_bad_weights():
    teacher, student, (features, speakers) = Linear(DIM), Linear(DIM), some()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss, _ = build(teacher, student)(student(features), speakers)
    assert loss.dtype == torch.float32
    with pytest.raises(ValueError, match="got distance_weight=-1"):
        build(teacher, student, distance_weight=-1.0)
