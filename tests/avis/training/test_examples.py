"""Examples: fixed by (seed, pass, utt_id), of one length, labelled by voice and speed."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from avis import store
from avis.audio.codec import encode, read_all
from avis.augment.bank import Bank
from avis.augment.chain import Augment
from avis.augment.noise import Noise
from avis.augment.spec_augment import SpecAugment
from avis.training.examples import ExampleMaker, speaker_counts, speaker_index, validation_examples
from avis.training.plan import Block, Plan, list_row_groups

SAMPLE_RATE = 8000
CROP_S = 0.5
CROP_SAMPLES = 4000
SPEEDS = [1.0, 0.9, 1.1]
BANKS = {"noise": Bank.from_recordings([np.sin(np.arange(num) / 3).astype(np.float32) for num in (900, 9000)])}


class AsColumn:
    """Leave waveforms as they are: one frame per sample, one mel."""

    dim = 1

    def num_frames(self, num_samples: int) -> int:
        return num_samples

    def __call__(self, waveform: torch.Tensor) -> torch.Tensor:
        return waveform[:, None]


def maker(**changed: Any) -> ExampleMaker:
    settings = {
        "features": AsColumn(),
        "augment": None,
        "spec_augment": None,
        "on_device": False,
        "travelling": None,
        "speeds": SPEEDS,
        "crop_s": CROP_S,
        "sample_rate": SAMPLE_RATE,
        "seed": 0,
    }
    return ExampleMaker(**(settings | changed))


def noisy_maker() -> ExampleMaker:
    masks = SpecAugment(num_time_masks=1, max_time_frames=500, num_freq_masks=0, max_freq_mels=0)
    chain = Augment(steps=[Noise(probability=0.7, min_snr_db=0.0, max_snr_db=10.0)])
    return maker(augment=chain, spec_augment=masks)


def row(samples: np.ndarray, utt_id: str = "u", speaker: str = "s") -> dict[str, Any]:
    audio = encode(samples.astype(np.float32), sample_rate=SAMPLE_RATE, encoding="flac")
    return {"utt_id": utt_id, "speaker": speaker, "audio": audio, "num_samples": len(samples)}


def noise(num: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, num)


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    uri = str(tmp_path_factory.mktemp("store"))
    for part, num in (("train-00000", 9), ("train-00001", 5), ("validation-00000", 7)):
        rows = [row(noise(3000 + 500 * i, i), utt_id=f"{part}/{i}", speaker=f"s{i % 3}") for i in range(num)]
        store.commit_part(uri, part, {"utterances": pa.Table.from_pylist(rows)}, row_group_rows=4)
    store.finish(uri, parts=[], inputs="abc", facts={})
    return uri


def everything(uri: str, make: ExampleMaker, numbers: range | list[int]) -> dict[str, np.ndarray]:
    """Return the features and label of every (pass, utterance)."""
    groups, once = list_row_groups(uri, "train"), {"passes_per_epoch": 1, "num_epochs": 1}
    plan = Plan(groups, seed=0, groups_per_block=2, global_batch=1, **once)
    speakers = {"s0": 0, "s1": 1, "s2": 2}
    examples = {}
    for number in numbers:
        block = plan.block(number)
        ids = [group_ids(block)[i] for i in block.order]
        made = make.make(make.read(block), pass_=block.pass_, speakers=speakers, banks=BANKS)
        for name, features, label in zip(ids, made["features"], made["speaker"], strict=True):
            examples[f"{block.pass_}:{name}"] = np.append(features.ravel(), label)
    return examples


def group_ids(block: Block) -> list[str]:
    parts = [store.open_part(group.uri).read_row_group(group.index, columns=["utt_id"]) for group in block.row_groups]
    return pa.concat_tables(parts)["utt_id"].to_pylist()


def test_examples_are_the_same_bits_in_any_order_and_from_any_maker(uri: str):
    first = everything(uri, noisy_maker(), range(6))
    again = everything(uri, noisy_maker(), list(reversed(range(6))))
    assert len(first) == 28
    assert first.keys() == again.keys()
    for key, example in first.items():
        np.testing.assert_array_equal(example, again[key])


def test_another_pass_or_seed_gives_other_examples(uri: str):
    first = everything(uri, maker(), range(6))
    other = everything(uri, maker(seed=1), range(6))
    same_pass = [np.array_equal(first[key], other[key]) for key in first]
    next_pass = [np.array_equal(first[f"0:{name}"], first[f"1:{name}"]) for name in group_names(first)]
    assert np.mean(same_pass) < 0.5
    assert np.mean(next_pass) < 0.5


def group_names(examples: dict[str, np.ndarray]) -> list[str]:
    return [key.removeprefix("0:") for key in examples if key.startswith("0:")]


def test_a_voice_at_another_speed_is_another_speaker():
    """A 1 kHz tone played at 0.9 or 1.1 times the speed has 900 or 1100 Hz, and the label says so."""
    tone = np.sin(2 * np.pi * 1000 * np.arange(8000) / SAMPLE_RATE) / 2
    tones = [row(tone, utt_id=f"u{i}") for i in range(20)]
    make = maker()
    drawn = []
    for one in tones:
        inputs, speed = make.example(one, pass_=0, banks={})
        spectrum = np.abs(np.fft.rfft(inputs["features"].ravel() * np.hanning(CROP_SAMPLES)))
        peak_hz = np.argmax(spectrum) * SAMPLE_RATE / CROP_SAMPLES
        assert peak_hz == pytest.approx(1000 * SPEEDS[speed], abs=2)
        drawn.append(speed)
    assert set(drawn) == {0, 1, 2}


def test_labels_count_every_speaker_at_every_speed(uri: str):
    examples = everything(uri, maker(), range(40))
    for key, example in examples.items():
        name = key.split(":")[1]
        voice = int(name.split("/")[1]) % 3
        label = int(example[-1])
        assert label % 3 == voice
        assert 0 <= label < 9
    assert {int(example[-1]) for example in examples.values()} == set(range(9))
    unchanged = everything(uri, maker(speeds=[1.0]), range(6))
    assert {int(example[-1]) for example in unchanged.values()} == {0, 1, 2}


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("num", [1, 7, 3600, 3999, 4000, 4001, 4400, 4401, 12345])
def test_every_speed_keeps_the_length(num: int, speed: float):
    features = maker(speeds=[speed]).example(row(noise(num)), pass_=0, banks={})[0]["features"]
    assert features.shape == (CROP_SAMPLES, 1)
    assert features.dtype == np.float16


def travelling(utterance: dict[str, Any]) -> np.ndarray:
    """Return the samples of a row as features travel."""
    return read_all(utterance["audio"]).astype(np.float16)


def test_a_short_utterance_is_repeated_and_a_long_one_cut():
    short, long = row(noise(1500)), row(noise(20000))
    repeated = maker(speeds=[1.0]).example(short, pass_=0, banks={})[0]["features"].ravel()
    np.testing.assert_array_equal(repeated, np.resize(travelling(short), CROP_SAMPLES))
    whole = travelling(long)
    starts = set()
    for pass_ in range(10):
        cut = maker(speeds=[1.0]).example(long, pass_=pass_, banks={})[0]["features"].ravel()
        matches = [start for start in range(16001) if whole[start] == cut[0] and whole[start + 1] == cut[1]]
        start = next(start for start in matches if np.array_equal(whole[start : start + CROP_SAMPLES], cut))
        starts.add(start)
    assert len(starts) > 5


def test_augmentation_and_masks_act_where_they_are_given():
    calls: list[str] = []

    def louder(waveform: np.ndarray, rng: np.random.Generator, banks: object) -> np.ndarray:
        calls.append("augment")
        assert waveform.shape == (CROP_SAMPLES,)
        return waveform * np.float32(2)

    masks = SpecAugment(num_time_masks=3, max_time_frames=2000, num_freq_masks=0, max_freq_mels=0)
    one = row(noise(4000))
    plain = maker(speeds=[1.0]).example(one, pass_=0, banks={})[0]["features"]
    changed = maker(speeds=[1.0], augment=louder).example(one, pass_=0, banks={})[0]["features"]
    np.testing.assert_array_equal(changed, 2 * plain)
    assert calls == ["augment"]
    masked = maker(speeds=[1.0], spec_augment=masks).example(one, pass_=0, banks={})[0]["features"]
    hidden = masked == plain.mean(axis=0, dtype=np.float64).astype(np.float16)
    assert 100 < hidden.sum() < CROP_SAMPLES
    np.testing.assert_array_equal(masked[~hidden], plain[~hidden])


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_workers_share_the_same_validation_examples(uri: str, world_size: int):
    def gather_inputs(rank: int, world_size: int) -> tuple[torch.Tensor, list[str]]:
        groups = list_row_groups(uri, "validation")
        make = maker(speeds=[1.0])
        found = validation_examples(make, groups, max_utterances=6, banks={}, rank=rank, world_size=world_size)
        return found[0]["features"], found[1]

    features, speakers = gather_inputs(0, 1)
    assert speakers == ["s0", "s1", "s2", "s0", "s1", "s2"]
    assert features.shape == (6, CROP_SAMPLES, 1)
    for rank in range(world_size):
        mine, names = gather_inputs(rank, world_size)
        assert names == speakers[rank::world_size]
        assert torch.equal(mine, features[rank::world_size])


@pytest.mark.parametrize("size", [2, 4])
def test_a_block_s_examples_are_in_groups_of_one_speaker_at_one_speed(uri: str, size: int):
    groups = list_row_groups(uri, "train")
    settings = {"seed": 0, "groups_per_block": 2, "passes_per_epoch": 1, "num_epochs": 12}
    plan = Plan(groups, global_batch=size, utterances_per_speaker=size, **settings)
    labels = set()
    for number in range(12 * plan.blocks_per_epoch):
        block, speakers = plan.block(number), {"s0": 0, "s1": 1, "s2": 2}
        if not len(block.order):  # the epoch was full before
            continue
        rows = noisy_maker().read(block)
        made, again = (noisy_maker().make(rows, pass_=block.pass_, speakers=speakers, banks=BANKS) for _ in range(2))
        np.testing.assert_array_equal(made["features"], again["features"])
        assert len(made["speaker"]) == len(block.order)
        for group in made["speaker"].reshape(-1, size):
            assert len(set(group.tolist())) == 1
            labels.add(int(group[0]))
        crops = {features.tobytes() for features in made["features"]}
        assert len(crops) == len(made["features"])
    assert len(labels) > 3


def test_speakers_are_numbered_alphabetically():
    column = pa.chunked_array([["b", "a"], ["c", "b"]])
    assert speaker_index(column) == {"a": 0, "b": 1, "c": 2}
    assert speaker_counts(column).tolist() == [1, 2, 1]
