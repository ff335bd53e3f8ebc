"""The examples of a training: the same bits in process and on Ray, for any number of workers, from any step on."""

import itertools
import os
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import ray
import soundfile as sf
import torch

from avis import store
from avis.audio.codec import read_all
from avis.audio.decode import decode
from avis.augment import bank
from avis.augment.bank import Bank
from avis.checkpoints.run_checkpoints import Position
from avis.engine.examples.banks import make_banks
from avis.engine.examples.batches import local_batches
from avis.engine.examples.feed import Feed
from avis.engine.examples.inputs import gather_inputs
from avis.engine.recipe import Recipe
from avis.training.example_inputs import ExampleInputs
from avis.training.examples import ExampleMaker
from avis.training.plan import Block, Plan, Portion, RowGroup, list_row_groups, read_block

BATCH = 6
"""Of 16 utterances in blocks of 4: an epoch takes 12, and leaves its last block empty."""


@pytest.fixture(scope="module")
def inputs(tiny_recipe: Recipe, tiny_store: str) -> ExampleInputs:
    return gather_inputs(tiny_recipe.changed({"trainer.batch_size": BATCH}), tiny_store, 1).examples


def in_process(inputs: ExampleInputs) -> dict[str, np.ndarray]:
    """Return all examples of a plan, block by block."""
    source, plan = inputs.source(), inputs.plan
    blocks = [plan.block(number) for number in range(plan.num_epochs * plan.blocks_per_epoch)]
    made = [
        source.make(source.read(block), pass_=block.pass_, speakers=inputs.speakers, banks=inputs.banks)
        for block in blocks
        if len(block.order)
    ]
    return {key: np.concatenate([each[key] for each in made]) for key in made[0]}


@pytest.mark.parametrize(("num_workers", "at_most"), [(1, None), (2, 1), (4, 3)])
@pytest.mark.parametrize("start", [Position(0, 0), Position(0, 1), Position(1, 1)])
def test_workers_share_each_batch_of_the_same_bits_on_ray(
    ray_session: None, inputs: ExampleInputs, num_workers: int, at_most: int | None, start: Position
):
    plan = inputs.plan
    feed = Feed([ray.put(inputs)], plan, start=start, num_workers=num_workers, data_cpus=2, at_most=at_most)
    expected = in_process(inputs)
    for number in range(start.epoch * plan.steps_per_epoch + start.step, 2 * plan.steps_per_epoch):
        pieces = [piece for rank in range(num_workers) for piece in ray.get(feed.next(rank))]
        for key in ("features", "speaker"):
            batch = np.concatenate([piece[key] for piece in pieces])
            np.testing.assert_array_equal(batch, expected[key][number * BATCH : (number + 1) * BATCH])
        assert all((piece["seconds"] > 0).all() for piece in pieces)
    assert [feed.next(rank) for rank in range(num_workers)] == [[]] * num_workers


def slow_inputs(log: str, plan: Plan) -> Any:
    """Return inputs whose examples are numbers, and which leave when each task began and ended; travels by value."""

    class SlowInputs:
        def __init__(self) -> None:
            self.plan = plan

        def source(self) -> Any:
            return self

        def read(self, block: Block) -> pa.Table:
            self.take_a_while()
            return pa.table({"row": block.order})

        def make(self, source: Any, rows: pa.Table, portion: Portion) -> dict[str, np.ndarray]:
            self.take_a_while()
            return {"place": np.arange(portion.place, portion.place + portion.stop - portion.start)}

        def take_a_while(self) -> None:
            began = time.time()
            time.sleep(0.1)
            with open(log, "a") as file:
                file.write(f"{began} 1\n{time.time()} -1\n")

    return SlowInputs()


def test_no_more_tasks_run_at_a_time_than_may(ray_session: None, tmp_path: Path):
    """Of eight portions in four blocks, which are all asked for at once, where there are four CPUs."""
    groups = [RowGroup(f"{number}", 0, 4) for number in range(8)]
    plan = Plan(groups, seed=0, groups_per_block=2, passes_per_epoch=1, global_batch=4, num_epochs=1)
    inputs = [ray.put(slow_inputs(f"{tmp_path}/log", plan))]
    feed = Feed(inputs, plan, start=Position(0, 0), num_workers=1, data_cpus=4, at_most=2)
    batches = [ray.get(feed.next(0)) for _ in range(8)]
    np.testing.assert_array_equal(np.concatenate([piece["place"] for [piece] in batches]), np.arange(32))
    changes = np.loadtxt(f"{tmp_path}/log")
    assert len(changes) == 2 * (4 + 8)
    assert changes[np.argsort(changes[:, 0]), 1].cumsum().max() <= 2


def test_local_batches_are_the_examples_in_order_and_go_on_at_any_step(inputs: ExampleInputs):
    batches = list(local_batches(inputs))
    assert [len(batch["speaker"]) for batch in batches] == [BATCH] * 4
    expected = in_process(inputs)
    np.testing.assert_array_equal(torch.cat([batch["features"] for batch in batches]).numpy(), expected["features"])
    np.testing.assert_array_equal(torch.cat([batch["speaker"] for batch in batches]).numpy(), expected["speaker"])
    for step in range(4):
        rest = local_batches(inputs, start=Position(*divmod(step, 2)))
        for one, other in itertools.zip_longest(rest, batches[step:]):
            assert torch.equal(one["features"], other["features"])


def test_examples_are_made_in_this_process_when_debugging(inputs: ExampleInputs, monkeypatch: pytest.MonkeyPatch):
    made_in = []
    example = ExampleMaker.example
    monkeypatch.setattr(
        ExampleMaker, "example", lambda self, row, **kw: (made_in.append(os.getpid()), example(self, row, **kw))[1]
    )
    next(local_batches(inputs))
    assert set(made_in) == {os.getpid()}


def test_evaluation_draws_no_speeds_and_no_masks(tiny_recipe: Recipe):
    assert tiny_recipe.examples.build_maker().speeds == [1.0, 0.9, 1.1]
    evaluation = tiny_recipe.examples.build_maker(training=False)
    assert (evaluation.speeds, evaluation.spec_augment) == ([1.0], None)
    assert evaluation.augment is not None
    assert tiny_recipe.examples.build_maker(training=False, augment=False).augment is None


def test_banks_are_what_the_augmentation_asks_for(tiny_recipe: Recipe, tiny_store: str, tmp_path: Path):
    banks = make_banks(tiny_recipe.examples, tiny_store, output_dir=str(tmp_path))
    assert {name: len(bank) for name, bank in banks.items()} == {"noise": 4, "rir": 4, "speech": 4}
    assert make_banks(tiny_recipe.changed({"augment.chain": None}).examples, tiny_store, output_dir=str(tmp_path)) == {}


def test_every_bank_is_said(tiny_recipe: Recipe, tiny_store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for number in range(3):
        sf.write(tmp_path / f"{number}.wav", np.linspace(-0.5, 0.5, 16000 * 2), 16000)
    talkers = {"_target_": "avis.augment.bank.load_bank", "root": f"{tmp_path}", "sample_rate": 16000}
    own_talkers = tiny_recipe.changed({"augment.speech_bank": talkers | {"max_duration_s": 1.0}})
    banks = make_banks(own_talkers.examples, tiny_store, output_dir=str(tmp_path))
    noise, _, speech = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"noise bank: 4 recordings, \d+ s \(\d+ MB\), from synthetic_noise_bank", noise)
    assert speech == f"speech bank: 3 recordings, 3 s (0 MB), from {tmp_path}"
    assert np.array_equal(banks["speech"][0], banks["speech"][2])
    make_banks(tiny_recipe.examples, tiny_store, output_dir=str(tmp_path))
    assert capsys.readouterr().out.splitlines()[-1].startswith("speech bank: 4 recordings, ")


def test_recordings_of_a_bank_are_decoded_once_until_they_change(
    tiny_recipe: Recipe, tiny_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    sounds = tmp_path / "sounds"
    sounds.mkdir()
    for number in range(2):
        sf.write(sounds / f"{number}.wav", np.linspace(-0.5, 0.5, 1600 * (number + 1)), 16000)
    settings = {"_target_": "avis.augment.bank.load_bank", "root": f"{sounds}", "sample_rate": 16000}
    recipe = tiny_recipe.changed({"augment.noise_bank": settings | {"max_duration_s": 1.0}})
    decoded = []
    monkeypatch.setattr(bank, "decode", lambda path, **kw: (decoded.append(path), decode(path, **kw))[1])

    def made() -> Bank:
        return make_banks(recipe.examples, tiny_store, output_dir=str(tmp_path / "outputs"))["noise"]

    first, again = made(), made()
    assert len(decoded) == 2
    assert np.array_equal(first.samples, again.samples)
    assert np.array_equal(first.offsets, again.offsets)
    sf.write(sounds / "1.wav", np.linspace(0.5, -0.5, 800), 16000)
    assert len(made().samples) == 2400
    assert len(decoded) == 4


def test_babble_is_of_training_speakers_only(tiny_recipe: Recipe, tiny_store: str, tmp_path: Path):
    groups = list_row_groups(tiny_store, "train")
    voices = set()
    for group in groups:
        part = store.open_part(group.uri)
        for audio in part.read_row_group(group.index, columns=["audio"])["audio"].to_pylist():
            samples = read_all(audio)
            voices.add(np.round(samples * (32767 / np.abs(samples).max())).astype(np.int16).tobytes())
    bank = make_banks(tiny_recipe.examples, tiny_store, output_dir=str(tmp_path))["speech"]
    assert {bank[i].tobytes() for i in range(len(bank))} <= voices


def test_a_corrupt_shard_stops_the_stream_with_its_path(
    ray_session: None, inputs: ExampleInputs, tiny_store: str, tmp_path: Path
):
    block = inputs.plan.block(0)
    group = block.row_groups[0]
    data = bytearray(Path(group.uri).read_bytes())
    data[len(data) // 2] ^= 0xFF
    spoilt = tmp_path / os.path.basename(group.uri)
    spoilt.write_bytes(data)
    block.row_groups[0] = type(group)(str(spoilt), group.index, group.num_rows)
    with pytest.raises(ValueError, match=f"corrupt shard: .* At {spoilt}"):
        read_block(block, ["utt_id", "audio"])


@pytest.fixture(scope="module")
def half_short(tiny_store: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a store that says of every second training utterance that it ends after half a second."""
    uri = str(tmp_path_factory.mktemp("half_short"))
    for split in ("train", "validation"):
        rows = store.read_table(tiny_store, "utterances", prefix=f"{split}-")
        lengths = [
            8000 if i % 2 and split == "train" else length for i, length in enumerate(rows["num_samples"].to_pylist())
        ]
        column = rows.schema.get_field_index("num_samples")
        rows = rows.set_column(column, rows.schema.field(column), pa.array(lengths, rows.schema.field(column).type))
        store.commit_part(uri, f"{split}-00000", {"utterances": rows}, row_group_rows=3)
    store.finish(uri, parts=["train-00000", "validation-00000"], inputs="abc", facts={})
    return uri


@pytest.mark.parametrize("placement", ["stream", "materialize"])
def test_short_utterances_are_not_trained_on(tiny_recipe: Recipe, half_short: str, tmp_path: Path, placement: str):
    settings = {"trainer.min_utterance_s": 0.6, "trainer.batch_size": 2, "trainer.speeds": [1.0]}
    recipe = tiny_recipe.changed({**settings, "features.placement": placement, "output_dir": str(tmp_path)})
    work = gather_inputs(recipe, half_short, 1).examples
    all_speakers = store.read_table(half_short, "utterances", columns=["speaker"], prefix="train-")[
        "speaker"
    ].to_pylist()
    batches = itertools.islice(local_batches(work), work.plan.steps_per_epoch)
    names = sorted(work.speakers)
    assert sorted(names[number] for batch in batches for number in batch["speaker"].tolist()) == sorted(
        all_speakers[::2]
    )
    assert set(names) == set(all_speakers)
