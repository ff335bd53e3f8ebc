import itertools
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import torchaudio
from sklearn.metrics import roc_curve

from avis.audio.codec import read_all
from avis.corpora.synthetic import NONTARGETS_PER_TARGET, Synthetic


def corpus(root: Path, **changed: int | float) -> Synthetic:
    small: dict[str, int | float] = {
        "num_train_speakers": 2,
        "num_test_speakers": 3,
        "num_sessions": 2,
        "num_utterances": 2,
        "duration_s": 0.5,
        "seed": 1,
    }
    return Synthetic(name="syn", root=str(root), **(small | changed))  # type: ignore[arg-type]


def contents(folder: str) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def test_files_speakers_and_splits(tmp_path: Path) -> None:
    made = corpus(tmp_path)
    table = made.sources()
    assert table.num_rows == (2 + 3) * 2 * 2
    first = table.to_pylist()[0]
    assert first["utt_id"] == "syn/test_0000/session_0/000"
    assert (first["speaker"], first["session"]) == ("syn/test_0000", "syn/test_0000/session_0")
    for row in table.to_pylist():
        assert row["split"] == row["speaker"].removeprefix("syn/").split("_")[0]
        audio = Path(row["path"]).read_bytes()
        assert len(read_all(audio)) == 8000
        assert row["size_bytes"] == len(audio)
    assert pickle.loads(pickle.dumps(made)) == made


def test_a_rerun_elsewhere_gives_the_same_bytes_and_here_writes_nothing(tmp_path: Path) -> None:
    one, two = corpus(tmp_path / "one"), corpus(tmp_path / "two")
    table = one.sources()
    two.sources()
    assert contents(one.folder) == contents(two.folder)
    assert os.path.basename(one.folder) == os.path.basename(two.folder)
    assert one.sources() == table


def test_other_parameters_have_another_folder_and_keep_the_speakers(tmp_path: Path) -> None:
    small, large = corpus(tmp_path), corpus(tmp_path, num_train_speakers=3)
    small.sources()
    large.sources()
    assert small.folder != large.folder
    before, after = contents(small.folder), contents(large.folder)
    audio = {path for path in before if path.endswith(".flac")}
    assert all(after[path] == before[path] for path in audio)
    other = corpus(tmp_path, seed=2)
    other.sources()
    assert all(contents(other.folder)[path] != before[path] for path in audio)


def test_a_run_that_was_cut_off_goes_on(tmp_path: Path) -> None:
    made = corpus(tmp_path)
    made.sources()
    whole = contents(made.folder)
    (Path(made.folder) / "corpus.json").unlink()
    (Path(made.folder) / "train" / "train_0001" / "session_1" / "001.flac").unlink()
    kept = Path(made.folder) / "test" / "test_0000" / "session_0" / "000.flac"
    time = kept.stat().st_mtime_ns
    made.sources()
    assert contents(made.folder) == whole
    assert kept.stat().st_mtime_ns == time
    assert json.loads((Path(made.folder) / "corpus.json").read_text())["num_test_speakers"] == 3


def test_trials_are_all_cross_session_targets_and_more_nontargets(tmp_path: Path) -> None:
    made = corpus(tmp_path, num_test_speakers=4, num_sessions=3)
    made.sources()
    lines = [line.split(" ") for line in Path(made.trials_path).read_text().splitlines()]
    for _, enroll, test in lines:
        assert (Path(made.folder) / "test" / enroll).is_file()
        assert (Path(made.folder) / "test" / test).is_file()
    files = sorted(
        path.relative_to(Path(made.folder) / "test").as_posix() for path in Path(made.folder, "test").rglob("*.flac")
    )
    expected = {
        (a, b)
        for a, b in itertools.combinations(files, 2)
        if a.split("/")[0] == b.split("/")[0] and a.split("/")[1] != b.split("/")[1]
    }
    assert {(a, b) for label, a, b in lines if label == "1"} == expected
    nontargets = [(a, b) for label, a, b in lines if label == "0"]
    assert len(set(nontargets)) == len(nontargets) == NONTARGETS_PER_TARGET * len(expected)
    assert all(a.split("/")[0] != b.split("/")[0] for a, b in nontargets)


def test_few_speakers_give_every_nontarget_there_is(tmp_path: Path) -> None:
    made = corpus(tmp_path, num_test_speakers=2, num_sessions=3)
    made.sources()
    labels = [line[0] for line in Path(made.trials_path).read_text().splitlines()]
    assert (labels.count("1"), labels.count("0")) == (2 * 3 * 4, 36)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("num_train_speakers", 0), ("num_test_speakers", 1), ("num_sessions", 1), ("duration_s", 0.1), ("seed", -1)],
)
def test_parameters_that_make_no_corpus_are_refused(tmp_path: Path, parameter: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"got {parameter}={value}, expected at least"):
        corpus(tmp_path, **{parameter: value})


def test_voices_are_neither_obvious_nor_hopeless(tmp_path: Path) -> None:
    """Cosine scores of mean MFCCs, across sessions: about as hard as for real recordings."""
    made = corpus(tmp_path, duration_s=3.0)
    mfcc = torchaudio.transforms.MFCC(16000, n_mfcc=20, melkwargs={"n_fft": 512, "hop_length": 160, "n_mels": 40})
    keys = list(itertools.product(range(16), range(2), range(3)))
    waves = np.stack([made.waveform("test", speaker=s, session=c, utterance=u) for s, c, u in keys])
    means = mfcc(torch.from_numpy(waves)).numpy()[:, 1:].mean(axis=2)
    means = (means - means.mean(axis=0)) / means.std(axis=0)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    speakers, sessions, _ = np.array(keys).T
    one, other = np.triu_indices(len(keys), 1)
    target = speakers[one] == speakers[other]
    used = ~target | (sessions[one] != sessions[other])
    scores = np.sum(means[one[used]] * means[other[used]], axis=1)
    false_alarms, hits, _ = roc_curve(target[used], scores)
    eer = false_alarms[np.argmin(np.abs(false_alarms - (1 - hits)))]
    assert 0.08 < eer < 0.25
