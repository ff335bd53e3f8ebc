"""What an earlier version rejected because its storage failed is made again, and nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from avis import store
from avis.audio import recording
from avis.audio.audio_error import AudioError
from avis.engine.prepare import prepare
from avis.engine.prepare_recipe import PrepareRecipe
from avis.engine.shards.wrong_rejects import FAULT

Prepared = Callable[[str], PrepareRecipe]


@pytest.fixture
def composed(recipe: Callable[..., PrepareRecipe]) -> Prepared:
    return lambda output_dir: recipe(f"output_dir={output_dir}", name="prepare")


def poisoned(monkeypatch: pytest.MonkeyPatch, *, every: int) -> None:
    """Reject each so-many-th file as the earlier version did on a fault."""
    decode, calls = recording.decode, []

    def failing(path: str, **kwargs: Any) -> Any:
        calls.append(path)
        if len(calls) % every == 0:
            raise AudioError("unreadable", f"{FAULT}[Errno 5] Input/output error, expected a readable file. At {path}.")
        return decode(path, **kwargs)

    monkeypatch.setattr(recording, "decode", failing)


def rows(uri: str) -> list[dict[str, Any]]:
    return sorted(store.read_table(uri, "utterances").to_pylist(), key=lambda row: str(row["utt_id"]))


@pytest.mark.slow
def test_a_store_that_lacks_files_is_extended_to_a_whole_one(
    composed: Prepared, tmp_path: Path, tiny_store: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    cfg = composed(str(tmp_path))
    with monkeypatch.context() as patch:
        poisoned(patch, every=39)
        before = prepare(cfg)
    files = {path: path.read_bytes() for path in Path(before).rglob("*") if path.is_file()}
    assert len(rows(before)) == 39
    mended = prepare(cfg.changed({"extends": before}))
    assert "1 changed" in capsys.readouterr().out
    assert rows(mended) == rows(tiny_store)
    assert store.read_table(mended, "rejects").num_rows == 0
    assert {path: path.read_bytes() for path in Path(before).rglob("*") if path.is_file()} == files
    assert len(list(Path(mended).rglob("*.parquet"))) == 4, "one shard is made again"
    assert prepare(cfg.changed({"extends": mended})) == mended
