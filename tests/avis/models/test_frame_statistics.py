"""What frames contribute to statistics, by hand and by derivatives."""

import torch

from avis.models.frame_statistics import STATISTICS_FLOOR, statistics_contributions, weighted_statistics
from avis.models.pooling import DeviationPooling, MeanPooling, StatisticsPooling


def test_three_frames_by_hand():
    """The mean of 1, 2 and 6 is 3, their squares' sum 4 + 1 + 9, and the sample's deviation sqrt(14 / 2)."""
    frames, rest = StatisticsPooling(1).contributions(torch.tensor([[[1.0, 2.0, 6.0]]]))
    of_deviation = [square / 2 / 7**0.5 for square in (4, 1, 9)]
    torch.testing.assert_close(frames, torch.tensor([[[1 / 3, 2 / 3, 6 / 3], of_deviation]]))
    assert rest.tolist() == [[0.0, 0.0]]


def test_weighted_frames_by_hand():
    """With weights 1/2, 1/4 and 1/4 the mean of 0, 4 and 8 is 3 and the variance 9/2 + 1/4 + 25/4 = 11."""
    x, weights = torch.tensor([[[0.0, 4.0, 8.0]]]), torch.tensor([[[0.5, 0.25, 0.25]]])
    frames, _ = statistics_contributions(x, weights)
    of_deviation = [share / 11**0.5 for share in (9 / 2, 1 / 4, 25 / 4)]
    torch.testing.assert_close(frames, torch.tensor([[[0.0, 1.0, 2.0], of_deviation]]))


def test_a_deviation_is_split_by_its_derivative():
    """Euler's theorem: with d = x - mean, the deviation is the sum of d times its derivative by d, weights held."""
    torch.manual_seed(0)
    x, weights = torch.randn(2, 3, 10).double(), torch.rand(2, 3, 10).double().softmax(dim=2)
    distances = (x - (weights * x).sum(dim=2, keepdim=True)).requires_grad_()
    (weights * distances.square()).sum(dim=2).sqrt().sum().backward()
    frames, _ = statistics_contributions(x, weights)
    torch.testing.assert_close(frames[:, 3:], distances.grad * distances.detach())


def test_a_deviation_at_its_floor_is_of_no_frame():
    x = torch.stack([torch.full((20,), 5.0), 1e-5 * torch.randn(20), torch.randn(20)]).unsqueeze(0)
    frames, rest = StatisticsPooling(3).contributions(x)
    assert (frames[0, 3:5] == 0).all()
    torch.testing.assert_close(rest[0, 3:5], torch.full((2,), (STATISTICS_FLOOR * 20 / 19) ** 0.5))
    assert rest[0, [0, 1, 2, 5]].tolist() == [0.0] * 4
    _, deviation = weighted_statistics(x, floor=STATISTICS_FLOOR)
    torch.testing.assert_close(frames[0, 5].sum(), deviation[0, 2, 0] * (20 / 19) ** 0.5)


def test_one_frame_deviates_by_the_floor():
    frames, rest = DeviationPooling(2).contributions(torch.randn(1, 2, 1))
    assert (frames == 0).all()
    torch.testing.assert_close(rest, torch.full((1, 2), STATISTICS_FLOOR**0.5))


def test_frames_contribute_equally_to_a_mean():
    x = torch.randn(2, 3, 8)
    frames, rest = MeanPooling(3).contributions(x, torch.tensor([8, 4]))
    torch.testing.assert_close(frames, torch.stack([x[0] / 8, x[1] / 4 * (torch.arange(8) < 4)]))
    assert (rest == 0).all()
