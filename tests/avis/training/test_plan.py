"""Plans: every utterance once per pass, by seed and pass alone."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from avis import store
from avis.training.plan import PORTION_ROWS, Plan, RowGroup, find_long_enough, keep_rows, list_row_groups, read_block

PARTS = {"train-00000": 11, "train-00001": 0, "train-00002": 7, "test-00000": 4, "validation-00000": 3}
ROW_GROUP_ROWS = 3


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    uri = str(tmp_path_factory.mktemp("store"))
    for part, num in PARTS.items():
        ids = pa.array([f"{part}/{i}" for i in range(num)], pa.string())
        store.commit_part(uri, part, {"utterances": pa.table({"utt_id": ids})}, row_group_rows=ROW_GROUP_ROWS)
    store.finish(uri, parts=[], inputs="abc", facts={})
    return uri


def plan(uri: str, *, seed: int = 0, groups: int = 2, passes: int = 1, batch: int = 1, size: int = 1) -> Plan:
    return Plan(
        list_row_groups(uri, "train"),
        seed=seed,
        groups_per_block=groups,
        passes_per_epoch=passes,
        global_batch=batch,
        num_epochs=4,
        utterances_per_speaker=size,
    )


def utterances(made: Plan, first: int, last: int) -> list[str]:
    return [
        name
        for number in range(first, last)
        for name in read_block(made.block(number), ["utt_id"])["utt_id"].to_pylist()
    ]


def test_row_groups_of_one_split_in_order(uri: str):
    groups = list_row_groups(uri, "train")
    assert [(group.uri.split("/")[-1], group.index, group.num_rows) for group in groups] == [
        *(("train-00000.parquet", i, n) for i, n in enumerate([3, 3, 3, 2])),
        *(("train-00002.parquet", i, n) for i, n in enumerate([3, 3, 1])),
    ]
    assert sum(group.num_rows for group in list_row_groups(uri, "validation")) == 3
    assert list_row_groups(uri, "other") == []


@pytest.mark.parametrize("groups", [1, 2, 3, 100])
def test_a_pass_visits_every_utterance_once(uri: str, groups: int):
    made = plan(uri, groups=groups)
    for pass_ in range(3):
        blocks = range(pass_ * made.blocks_per_pass, (pass_ + 1) * made.blocks_per_pass)
        assert {made.block(number).pass_ for number in blocks} == {pass_}
        assert Counter(utterances(made, blocks.start, blocks.stop)) == Counter(
            [*(f"train-00000/{i}" for i in range(11)), *(f"train-00002/{i}" for i in range(7))]
        )


@pytest.mark.parametrize(("passes", "batch", "steps"), [(1, 1, 18), (1, 4, 4), (2, 4, 9), (3, 10, 5), (1, 18, 1)])
def test_an_epoch_fills_its_batches_and_visits_nothing_too_often(uri: str, passes: int, batch: int, steps: int):
    made = plan(uri, passes=passes, batch=batch)
    assert (made.steps_per_epoch, made.examples_per_epoch) == (steps, steps * batch)
    for epoch in range(3):
        first, last = epoch * made.blocks_per_epoch, (epoch + 1) * made.blocks_per_epoch
        assert {made.block(number).epoch for number in range(first, last)} == {epoch}
        counts = Counter(utterances(made, first, last))
        assert sum(counts.values()) == steps * batch
        assert set(counts.values()) <= {passes, passes - 1}


def test_the_rows_that_fill_no_batch_are_others_each_epoch(uri: str):
    made = plan(uri, batch=13)
    seen = [set(utterances(made, e * made.blocks_per_epoch, (e + 1) * made.blocks_per_epoch)) for e in range(4)]
    assert len({frozenset(names) for names in seen}) > 1
    assert len(set().union(*seen)) == 18


def test_the_order_follows_from_seed_and_pass_alone(uri: str):
    one, again, other = plan(uri, seed=1), plan(uri, seed=1), plan(uri, seed=2)
    per_pass = one.blocks_per_pass
    assert utterances(one, 0, per_pass) == utterances(again, 0, per_pass)
    assert utterances(one, 0, per_pass) != utterances(other, 0, per_pass)
    assert utterances(one, 0, per_pass) != utterances(one, per_pass, 2 * per_pass)
    in_longer_epochs = plan(uri, seed=1, passes=3)
    assert utterances(in_longer_epochs, 0, 3 * per_pass) == utterances(one, 0, 3 * per_pass)


def test_a_training_can_go_on_at_any_block(uri: str):
    made = plan(uri, passes=2, batch=4)
    whole = [utterances(made, number, number + 1) for number in range(3 * made.blocks_per_epoch)]
    for number in reversed(range(len(whole))):
        assert utterances(plan(uri, passes=2, batch=4), number, number + 1) == whole[number]


def test_a_block_mixes_the_rows_of_its_groups(uri: str):
    block = plan(uri, groups=100).block(0)
    order = block.order.tolist()
    assert sorted(order) == list(range(18))
    assert order != sorted(order)
    joined = [name for group in block.row_groups for name in _group(group)]
    assert read_block(block, ["utt_id"])["utt_id"].to_pylist() == [joined[i] for i in order]


def _group(group: RowGroup) -> list[str]:
    return store.open_part(group.uri).read_row_group(group.index)["utt_id"].to_pylist()


def test_row_groups_are_shuffled_evenly():
    """Every row group is in every place of a pass about equally often."""
    groups = [RowGroup("x", i, 1) for i in range(5)]
    made = Plan(groups, seed=3, groups_per_block=1, passes_per_epoch=1, global_batch=1, num_epochs=2)
    counts = np.zeros((5, 5))
    for number in range(5 * 400):
        counts[number % 5, made.block(number).row_groups[0].index] += 1
    assert np.abs(counts / 400 - 0.2).max() < 0.08


def test_an_epoch_smaller_than_a_batch_is_refused(uri: str):
    with pytest.raises(ValueError, match=r"epoch smaller than a batch: got 18 .* expected at least 19.*batch_size"):
        plan(uri, batch=19)
    assert plan(uri, batch=19, passes=2).steps_per_epoch == 1


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize(("passes", "groups"), [(1, 2), (3, 2), (2, 3), (1, 100)])
def test_groups_fill_every_block_and_every_epoch(uri: str, size: int, passes: int, groups: int):
    made = plan(uri, groups=groups, passes=passes, batch=size, size=size)
    lost = passes * made.blocks_per_pass * (size - 1)
    assert passes * 18 - lost - size < made.examples_per_epoch <= passes * 18
    for epoch in range(4):
        blocks = [made.block(epoch * made.blocks_per_epoch + place) for place in range(made.blocks_per_epoch)]
        assert all(len(block.order) % size == 0 for block in blocks)
        assert sum(len(block.order) for block in blocks) == made.examples_per_epoch
        assert all(len(set(block.order.tolist())) == len(block.order) for block in blocks)
        assert {block.utterances_per_speaker for block in blocks} == {size}


def test_rows_that_are_not_kept_are_never_visited(uri: str):
    """Of eleven and seven rows in groups of three, all of the second group and others."""
    keep = np.ones(18, bool)
    keep[[1, 3, 4, 5, 17]] = False
    groups = keep_rows(list_row_groups(uri, "train"), keep)
    assert [group.num_rows for group in groups] == [2, 3, 2, 3, 3]
    made = Plan(groups, seed=0, groups_per_block=2, passes_per_epoch=1, global_batch=1, num_epochs=2)
    names = [*(f"train-00000/{i}" for i in range(11)), *(f"train-00002/{i}" for i in range(7))]
    assert Counter(utterances(made, 0, made.blocks_per_pass)) == Counter(np.array(names)[keep].tolist())


def test_keeping_all_rows_leaves_the_groups_as_they_are(uri: str):
    groups = list_row_groups(uri, "train")
    assert keep_rows(groups, np.ones(18, bool)) == groups


def test_utterances_that_are_long_enough(capsys: pytest.CaptureFixture[str]):
    assert find_long_enough(np.array([1.9, 2.0, 5.0]), 2.0).tolist() == [False, True, True]
    assert "1 of 3 utterances are shorter than 2.0 s and left out" in capsys.readouterr().out
    assert find_long_enough(np.array([0.3, 0.1]), 0.0).all()
    assert capsys.readouterr().out == ""
    with pytest.raises(ValueError, match=r"got at most 0\.30 s, expected .*At trainer\.min_utterance_s"):
        find_long_enough(np.array([0.3, 0.1]), 2.0)


@pytest.mark.parametrize(("passes", "batch", "groups"), [(1, 1, 2), (2, 4, 2), (3, 10, 1), (1, 18, 100)])
def test_a_step_is_found_in_the_plan(uri: str, passes: int, batch: int, groups: int):
    made = plan(uri, passes=passes, batch=batch, groups=groups)
    for epoch in range(2):
        first = epoch * made.blocks_per_epoch
        of_epoch = utterances(made, first, first + made.blocks_per_epoch)
        for step in range(made.steps_per_epoch):
            block, before = made.find(epoch, step)
            assert utterances(made, block, first + made.blocks_per_epoch)[before:] == of_epoch[step * batch :]
            assert before < len(made.block(block).order)


@pytest.mark.parametrize(("passes", "batch", "size"), [(1, 3, 1), (2, 4, 1), (3, 10, 2), (2, 12, 3)])
@pytest.mark.parametrize("num_workers", [1, 2, 3])
def test_every_worker_gets_its_share_of_each_batch_and_no_example_is_lost_or_twice(
    uri: str, passes: int, batch: int, size: int, num_workers: int
):
    made = plan(uri, passes=passes, batch=batch, size=size)
    of_one = batches(made, 1)
    assert [len(rows) for rows in of_one[0]] == [batch] * made.steps_per_epoch * 4
    assert [row for rows in of_one[0] for row in rows] == [
        (number, row) for number in range(4 * made.blocks_per_epoch) for row in range(len(made.block(number).order))
    ]
    shares = batches(made, num_workers)
    for number, whole in enumerate(of_one[0]):
        assert [row for share in shares for row in share[number]] == whole
    sizes = {len(share[0]) for share in shares}
    assert max(sizes) - min(sizes) <= size
    assert all(number % size == 0 for number in sizes)


def batches(made: Plan, num_workers: int, epoch: int = 0, step: int = 0) -> list[list[list[tuple[int, int]]]]:
    """Return the rows, as (block, row), of each batch of each worker from a step on."""
    shares: list[list[list[tuple[int, int]]]] = [[] for _ in range(num_workers)]
    for portion in made.portions(epoch, step):
        for rank, start, stop in made.pieces(portion, num_workers):
            rows = [(portion.block, row) for row in range(portion.start + start, portion.start + stop)]
            first, end = made.share(rank, num_workers)
            if not shares[rank] or len(shares[rank][-1]) == end - first:
                shares[rank].append([])
            shares[rank][-1] += rows
    return shares


@pytest.mark.parametrize("size", [1, 2])
def test_a_training_goes_on_at_any_step_with_the_batches_that_are_left(uri: str, size: int):
    made = plan(uri, passes=2, batch=4, size=size)
    whole = batches(made, 2)
    for done in range(4 * made.steps_per_epoch):
        rest = batches(made, 2, *divmod(done, made.steps_per_epoch))
        assert rest == [share[done:] for share in whole]


@pytest.mark.slow
def test_portions_are_small_and_end_where_batches_do(uri: str):
    made = plan(uri, passes=3, batch=10)
    portions = list(made.portions(0, 0))
    assert sum(portion.stop - portion.start for portion in portions) == 4 * made.examples_per_epoch
    for portion in portions:
        assert portion.place // 10 == (portion.place + portion.stop - portion.start - 1) // 10
    large = plan(uri, groups=100, passes=100, batch=PORTION_ROWS * 2)
    assert max(portion.stop - portion.start for portion in large.portions(0, 0)) <= PORTION_ROWS
