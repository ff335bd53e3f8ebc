"""Trial lists from files and from pairing, recognised and checked, and what their scores say of them."""

import hashlib
from pathlib import Path

import pyarrow as pa
import pytest

from avis import store
from avis.checkpoints.checkpoint import Checkpoint
from avis.checkpoints.run_checkpoints import best_checkpoint
from avis.engine.recipe import Recipe
from avis.engine.score import score
from avis.engine.trials.lists import read_index, read_lists
from avis.engine.workers.console import warn_once
from avis.lineage import Lineage, TrainedOn
from avis.schema import REJECTS
from avis.scoring.known_lists import KnownList

PAIRING = {
    "_target_": "avis.scoring.pairing.Pairing",
    "split": "test",
    "cross_session": True,
    "same": [],
    "max_target": 5,
    "max_nontarget": 5,
    "balanced": True,
    "seed": 0,
}
SHA256 = [f"{number:064x}" for number in range(3)]
LINES = (
    "1 test_0000/session_0/000 test_0000/session_1/000\n"
    "0 test_0000/session_0/000 test_0001/session_1/000\n"
    "0 test_0001/session_1/000.flac test_0000/session_0/000\n"
)


def trained_on(*speakers: str) -> Lineage:
    return Lineage((TrainedOn(speakers=speakers),))


def test_a_file_is_recognised_by_its_bytes(
    tiny_recipe: Recipe, tiny_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "some.txt"
    path.write_text(LINES)
    md5 = hashlib.md5(LINES.encode()).hexdigest()
    cfg, index = tiny_recipe.changed({"trials": str(path)}), read_index(tiny_store)
    [(name, listed)] = read_lists(cfg, index, lineage=Lineage()).items()
    assert name == "some"
    assert listed.facts["list"] == {"name": None, "certainty": None, "md5": md5}
    assert {check: num for check, num in listed.facts["flagged"].items() if num} == {"duplicates": 1}
    monkeypatch.setattr("avis.scoring.known_lists.KNOWN_LISTS", (KnownList("Some", md5, 1, 2),))
    [listed] = read_lists(cfg, index, lineage=Lineage()).values()
    assert listed.facts["list"] == {"name": "Some", "certainty": "checksum", "md5": md5}


def test_a_file_of_one_kind_of_trial_is_not_scored(tiny_recipe: Recipe, tiny_store: str, tmp_path: Path):
    path = tmp_path / "targets.txt"
    path.write_text(LINES.splitlines()[0])
    with pytest.raises(ValueError, match=rf"both kinds of trial: got num_target=1 and num_nontarget=0.* At {path}"):
        read_lists(tiny_recipe.changed({"trials": str(path)}), read_index(tiny_store), lineage=Lineage())


def test_a_list_is_made_where_the_configuration_pairs(tiny_recipe: Recipe, tiny_store: str):
    cfg = tiny_recipe.changed({"trials": {"dev": PAIRING}})
    [(name, listed)] = read_lists(cfg, read_index(tiny_store), lineage=Lineage()).items()
    assert name == "dev"
    assert listed.trials["target"].to_pylist() == [True] * 5 + [False] * 5
    assert listed.facts["list"] == {"name": None, "certainty": None, "pairing": PAIRING}
    assert not any(listed.facts["flagged"].values())


def test_trials_of_held_out_speakers_pass_and_of_training_speakers_do_not(tiny_recipe: Recipe, tiny_store: str):
    index = read_index(tiny_store)
    rows = zip(index["speaker"].to_pylist(), index["split"].to_pylist(), strict=True)
    trained = {speaker for speaker, split in rows if split == "train"}
    for split in ("validation", "train"):
        cfg = tiny_recipe.changed({"trials": {split: PAIRING | {"split": split}}})
        if split == "validation":
            assert len(read_lists(cfg, index, lineage=trained_on(*trained))[split].trials) > 0
            continue
        with pytest.raises(ValueError, match=rf"got {len(trained)} speakers .* among those trained on"):
            read_lists(cfg, index, lineage=trained_on(*trained))
        flagging = cfg.changed({"trial_checks.shared_speakers": "flag", "trial_checks.shared_audio": "flag"})
        assert read_lists(flagging, index, lineage=trained_on(*trained))[split].facts["flagged"][
            "shared_speakers"
        ] == len(trained)


def test_the_manifest_of_the_scores_says_what_was_scored(
    tiny_recipe: Recipe, tiny_store: str, tiny_run: str, tmp_path: Path
):
    path = tmp_path / "some.txt"
    path.write_text(LINES + "0 test_0000/session_0/000 nobody/session_9/000\n")
    lists = {"some": str(path), "dev": PAIRING}
    cfg = tiny_recipe.changed({"trials": lists, "trial_checks.missing_ids": "leave_out"})
    tables = score(cfg, Checkpoint.open(best_checkpoint(tiny_run)), tiny_store, str(tmp_path / "run"))
    manifest = store.open_manifest(tables["some"])
    assert manifest["rows"] == {"scores": 3}
    assert manifest["list"]["md5"] == hashlib.md5(path.read_bytes()).hexdigest()
    assert manifest["flagged"] == {
        "missing_ids": 1,
        "shared_speakers": 0,
        "shared_audio": 0,
        "self_trials": 0,
        "same_audio": 0,
        "duplicates": 1,
        "contradictions": 0,
        "wrong_answers": 0,
    }
    assert store.open_manifest(tables["dev"])["list"]["pairing"] == PAIRING


@pytest.mark.parametrize("trained", ["c/Zo\u00eb", "c/Zoe\u0308", "c/ZO\u00cb", "c/Zo\u00eb\u00a0", "c/\u200bZo\u00eb"])
@pytest.mark.parametrize("model", ["m\u00eb", "me\u0308", " m\u00eb "])
def test_an_enrolled_speaker_trained_on_is_found_however_the_names_are_written(
    tiny_recipe: Recipe, tmp_path: Path, trained: str, model: str
):
    (tmp_path / "models.csv").write_text(f"enroll_model,utt_id\n{model},Zoe\u0308/1\nn,b/1\n", encoding="utf-8")
    (tmp_path / "list.csv").write_text("enroll,test,label\nm\u00eb,b/2,imp\nn,b/2,tgt\n", encoding="utf-8")
    cfg = tiny_recipe.changed({"trials": str(tmp_path / "list.csv"), "enrolments": str(tmp_path / "models.csv")})
    speakers = {"c/Zo\u00eb/1": "c/Zo\u00eb", "c/b/1": "c/b", "c/b/2": "c/b"}
    index = pa.table({"utt_id": [*speakers], "speaker": [*speakers.values()], "corpus": ["c"] * 3, "sha256": SHA256})
    [listed] = read_lists(cfg, index, lineage=trained_on("c/x")).values()
    assert listed.models is not None
    assert listed.models.to_pylist()[0] == {"enroll_model": "m\u00eb", "utt_id": "c/Zo\u00eb/1"}
    assert listed.trials["target"].to_pylist() == [False, True]
    with pytest.raises(ValueError, match=r"speaker in both train and test: got 1 speakers.*At c/Zo\u00eb\."):
        read_lists(cfg, index, lineage=trained_on("c/x", trained))


def rejected(*utt_ids: str) -> pa.Table:
    rows = [{"utt_id": utt_id, "path": f"/{utt_id}", "reason": "silent", "detail": "nothing."} for utt_id in utt_ids]
    return pa.Table.from_pylist(rows, schema=REJECTS)


def test_models_are_enrolled_with_what_is_left_of_them(
    tiny_recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """One recording of three was rejected of model m, the only one of n, and a test file was never there."""
    (tmp_path / "models.txt").write_text("m a/1 a/2 a/3.wav\nn b/1.wav\no b/2\n")
    (tmp_path / "list.csv").write_text("enroll,test,label\nm,b/2,0\nm,a/4,1\nn,b/2,1\no,x/9,0\no,b/3,1\n")
    cfg = tiny_recipe.changed({"trials": str(tmp_path / "list.csv"), "enrolments": str(tmp_path / "models.txt")})
    ids = ["c/a/1", "c/a/2", "c/a/4", "c/b/2", "c/b/3"]
    columns = {
        "utt_id": ids,
        "speaker": [utt_id[:3] for utt_id in ids],
        "corpus": ["c"] * 5,
        "sha256": [f"{n:064x}" for n in range(len(ids))],
    }
    index = pa.table(columns)
    rejects = rejected("c/a/3", "c/b/1")
    message = (
        r"got 2 unknown ids, 2 of them rejected when the store was made \(2 silent\).*At a/3\.wav \(silent: nothing\); "
        r"b/1\.wav \(silent: nothing\)\. Mend these files, or set trial_checks\.missing_ids=leave_out to score the"
    )
    with pytest.raises(ValueError, match=message):
        read_lists(cfg, index, lineage=Lineage(), rejects=rejects)
    leaving = cfg.changed({"trial_checks.missing_ids": "leave_out"})
    warn_once.cache_clear()
    [listed] = read_lists(leaving, index, lineage=Lineage(), rejects=rejects).values()
    assert listed.models is not None
    assert list(zip(*listed.models.to_pydict().values(), strict=True)) == [
        ("m", "c/a/1"),
        ("m", "c/a/2"),
        ("o", "c/b/2"),
    ]
    assert listed.trials.select(["enroll", "test"]).to_pylist() == [
        {"enroll": "m", "test": "c/b/2"},
        {"enroll": "m", "test": "c/a/4"},
        {"enroll": "o", "test": "c/b/3"},
    ]
    assert listed.facts["flagged"]["missing_ids"] == 2
    assert listed.facts["left_out"] == {"trials": 2, "of": 5, "utterances": {"silent": 2, "unknown": 1}}
    assert "warning: list: 2 of 5 trials are left out, since the store lacks utterances" in capsys.readouterr().out
    read_lists(leaving, index, lineage=Lineage(), rejects=rejects)
    assert "warning" not in capsys.readouterr().out


def test_a_list_of_which_one_kind_of_trial_is_left_is_not_scored(tiny_recipe: Recipe, tmp_path: Path):
    (tmp_path / "list.txt").write_text("1 a/1 a/2\n0 a/1 b/1\n")
    cfg = tiny_recipe.changed({"trials": str(tmp_path / "list.txt"), "trial_checks.missing_ids": "leave_out"})
    ids = ["c/a/1", "c/a/2"]
    index = pa.table(
        {"utt_id": ids, "speaker": ["c/a"] * 2, "corpus": ["c"] * 2, "sha256": [f"{n:064x}" for n in range(len(ids))]}
    )
    with pytest.raises(ValueError, match=r"num_nontarget=0.*At trials list, of which 1 are left out"):
        read_lists(cfg, index, lineage=Lineage(), rejects=rejected("c/b/1"))
