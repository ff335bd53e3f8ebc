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
from avis.lineage import Lineage, TrainedOn
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
