"""Recordings of unknown speakers: embedded as they lie, and named after those who are enrolled."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

CHECKPOINT = "checkpoint=outputs/runs/first/checkpoints/best.ckpt"


def test_what_nobody_has_labelled_is_embedded_and_named(
    main_job: tuple[Path, str],
    start: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    folder, _ = main_job
    monkeypatch.chdir(folder)
    recordings = sorted((folder / "outputs").rglob("*.flac"))
    speakers = sorted({path.parents[1] for path in recordings})[:2]
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "bad.wav").write_text("none")
    for number, speaker in enumerate(speakers):
        first, second, *_ = sorted(speaker.rglob("*.flac"))
        (tmp_path / "known" / f"p{number}").mkdir(parents=True)
        shutil.copy(first, tmp_path / "known" / f"p{number}" / "a.flac")
        shutil.copy(second, tmp_path / "flat" / f"rec{number}.flac")

    out = f"output_dir={tmp_path / 'out'}"
    for _ in range(2):
        start("embed", CHECKPOINT, "compute=debug", out, f"audio={tmp_path / 'flat'}", "format=npz")
    said = capsys.readouterr().out
    assert said.count("1 recordings could not be used (1 unreadable)") == 2
    assert said.count("embed 2/2") <= 1, "what is there is not made again"
    arrays = np.load(said.splitlines()[-1], allow_pickle=False)
    assert arrays["ids"].tolist() == ["rec0", "rec1"]
    assert np.isfinite(arrays["embeddings"]).all()

    gallery = ["corpus=gallery", f"corpus.known={tmp_path / 'known'}", f"corpus.unknown={tmp_path / 'flat'}"]
    some = ["pairing=identification", "sharding.max_reject_share=0.5"]
    start("score", CHECKPOINT, "compute=debug", out, *gallery, *some)
    said = capsys.readouterr().out
    assert "identification: 4 trials without answers" in said
    with open(said.splitlines()[-1].partition(": ")[2]) as file:
        best = list(csv.DictReader(file))
    assert [(row["probe"], row["rank"]) for row in best] == [
        (f"unknown/rec{probe}", str(rank)) for probe in (0, 1) for rank in (1, 2)
    ]
    assert {row["name"] for row in best} == {"known/p0", "known/p1"}
    assert float(best[0]["margin"]) == pytest.approx(float(best[0]["score"]) - float(best[1]["score"]), abs=1e-6)
