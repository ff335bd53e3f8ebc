from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from avis.corpora.cn_celeb import CnCeleb1, CnCeleb2
from avis.scoring.enrolment import read_enrolments
from avis.scoring.trial_ids import resolve
from avis.scoring.trials import read_trials


@pytest.fixture
def root(tmp_path: Path, lay_out: Callable[..., Path]) -> Path:
    """Lay out CN-Celeb1: two training speakers, and an evaluated one, two of whose raw files are enrolled."""
    root = tmp_path / "CN-Celeb_flac"
    lay_out(
        root,
        "data/id00000/singing-01-001.flac",
        "data/id00000/singing-01-002.flac",
        "data/id00000/singing-02-001.flac",
        "data/id00001/live_broadcast-01-001.flac",
        "data/id00800/singing-01-001.flac",
        "data/id00800/singing-01-002.flac",
        "data/id00800/vlog-02-001.flac",
        "eval/enroll/id00800-enroll.flac",
        "eval/test/id00800-singing-01-005.flac",
        "eval/test/id00801-vlog-03-001.flac",
    )
    lay_out(root, "dev/dev.lst", "eval/lists/trials.lst", "eval/lists/enroll.map")
    (root / "dev/dev.lst").write_text("id00000\nid00001\n")
    (root / "eval/lists/trials.lst").write_text(
        "id00800-enroll test/id00800-singing-01-005.wav 1\nid00800-enroll test/id00801-vlog-03-001.wav 0\n"
    )
    (root / "eval/lists/enroll.map").write_text("id00800-enroll id00800/singing-01-001.wav id00800/vlog-02-001.wav\n")
    return root


def test_the_official_split_sessions_and_genres(root: Path) -> None:
    table = CnCeleb1(name="cn", root=str(root)).sources().sort_by("utt_id")
    columns = ("utt_id", "speaker", "session", "split")
    assert [tuple(row.values()) for row in table.select(columns).to_pylist()] == [
        ("cn/id00000/singing-01-001", "cn/id00000", "cn/id00000/singing-01", "train"),
        ("cn/id00000/singing-01-002", "cn/id00000", "cn/id00000/singing-01", "train"),
        ("cn/id00000/singing-02-001", "cn/id00000", "cn/id00000/singing-02", "train"),
        ("cn/id00001/live_broadcast-01-001", "cn/id00001", "cn/id00001/live_broadcast-01", "train"),
        ("cn/id00800-enroll", "cn/id00800", "cn/id00800/enroll", "test"),
        ("cn/id00800/singing-01-001", "cn/id00800", "cn/id00800/singing-01", "test"),
        ("cn/id00800/vlog-02-001", "cn/id00800", "cn/id00800/vlog-02", "test"),
        ("cn/test/id00800-singing-01-005", "cn/id00800", "cn/id00800/singing-01", "test"),
        ("cn/test/id00801-vlog-03-001", "cn/id00801", "cn/id00801/vlog-03", "test"),
    ]
    attributes = [dict(a) for a in table["attributes"].to_pylist()]
    assert attributes[3] == {"genre": "live_broadcast", "language": "zh"}
    assert attributes[4] == {"language": "zh"}
    assert attributes[8] == {"genre": "vlog", "language": "zh"}


def test_the_official_trials_enrol_in_two_ways(root: Path) -> None:
    """The means of the files that ``enroll.map`` names, and the joined files; the ids of both are the store's."""
    corpus = CnCeleb1(name="cn", root=str(root))
    (average, models), (joined, no_models) = (corpus.trial_lists[f"CNC-Eval-{name}"] for name in ("Avg", "Concat"))
    assert models is not None
    assert no_models is None
    assert average == joined
    utt_ids, trials = corpus.sources()["utt_id"], read_trials(joined)
    resolved, _ = resolve(trials, utt_ids, corpora=["cn"])
    assert resolved["enroll"].to_pylist() == ["cn/id00800-enroll"] * 2
    assert resolved["test"].to_pylist() == ["cn/test/id00800-singing-01-005", "cn/test/id00801-vlog-03-001"]
    assert resolved["target"].to_pylist() == [True, False]
    enrolments = read_enrolments(models)
    assert enrolments["enroll_model"].to_pylist() == ["id00800-enroll"] * 2
    parts = pa.table({"enroll": enrolments["utt_id"], "test": enrolments["utt_id"]})
    named = resolve(parts, utt_ids, corpora=["cn"])[0]["enroll"].to_pylist()
    assert named == ["cn/id00800/singing-01-001", "cn/id00800/vlog-02-001"]


def test_cn_celeb2_is_all_training_and_has_no_trials(tmp_path: Path, lay_out: Callable[..., Path]) -> None:
    lay_out(tmp_path, "data/id10000/advertisement-01-001.flac", "data/id10001/drama-11-020.flac", "spk.lst")
    (tmp_path / "spk.lst").write_text("id10000\nid10001\n")
    corpus = CnCeleb2(name="cn2", root=str(tmp_path))
    assert corpus.sources()["session"].to_pylist() == ["cn2/id10000/advertisement-01", "cn2/id10001/drama-11"]
    assert set(corpus.sources()["split"].to_pylist()) == {"train"}
    assert not hasattr(corpus, "trial_lists")


def test_what_does_not_fit_is_named(root: Path, lay_out: Callable[..., Path]) -> None:
    corpus = CnCeleb1(name="cn", root=str(root))
    lay_out(root, "eval/test/stray.flac")
    with pytest.raises(ValueError, match=r"off the CN-Celeb layout: got num_files=1, .*At stray\.flac"):
        corpus.sources()
    lay_out(root, "data/id00001/1.flac", "data/id00001/deep/singing-01-001.flac")
    with pytest.raises(ValueError, match=r"got num_files=2, .*At id00001/1\.flac, id00001/deep/singing-01-001\.flac"):
        corpus.sources()
    (root / "dev/dev.lst").write_text("id00000\n")
    (root / "data/id00800/vlog-02-001.flac").unlink()
    with pytest.raises(ValueError, match=r"got 1 names without a file .*enroll\.map, id00800/vlog-02-001\. Fetch"):
        corpus.sources()
    (root / "dev/dev.lst").write_text("id00009\n")
    with pytest.raises(ValueError, match=r"root missing: .*data/id00009"):
        corpus.sources()
    (root / "dev/dev.lst").write_text("")
    with pytest.raises(ValueError, match="empty list"):
        corpus.sources()
    (root / "dev/dev.lst").unlink()
    with pytest.raises(ValueError, match="list missing"):
        corpus.sources()
