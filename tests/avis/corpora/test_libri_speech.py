from collections.abc import Callable
from pathlib import Path

import pytest

from avis.corpora.libri_speech import LibriSpeech

SPEAKERS = """\
; Some pipe(|) separated metadata about all LibriVox readers, whose work was used
; in the corpus.
;ID  |SEX| SUBSET           |MINUTES| NAME
14   | F | train-clean-360  | 25.03 | Kristin LeMoine
61   | M | test-clean       | 8.08  | David | Mole
84   | F | dev-clean        | 8.02  | Christie Nowak
"""


@pytest.fixture
def root(tmp_path: Path, lay_out: Callable[..., Path]) -> Path:
    """Lay out three files and what lies beside them, as the archives do."""
    root = tmp_path / "LibriSpeech"
    lay_out(
        root,
        "train-clean-360/14/208/14-208-0000.flac",
        "train-clean-360/14/212/14-212-0003.flac",
        "test-clean/61/70968/61-70968-0000.flac",
        "test-clean/61/70968/61-70968.trans.txt",
        "BOOKS.TXT",
        "CHAPTERS.TXT",
    )
    (root / "SPEAKERS.TXT").write_text(SPEAKERS)
    return root


def corpus(root: Path, *subsets: str) -> LibriSpeech:
    return LibriSpeech(name="ls", root=str(root), subsets=list(subsets))


def test_subsets_chapters_and_genders(root: Path) -> None:
    table = corpus(root, "train-clean-360", "test-clean").sources().sort_by("utt_id")
    assert table.select(["utt_id", "speaker", "session", "split"]).to_pylist() == [
        {"utt_id": "ls/14-208-0000", "speaker": "ls/14", "session": "ls/14/208", "split": "train"},
        {"utt_id": "ls/14-212-0003", "speaker": "ls/14", "session": "ls/14/212", "split": "train"},
        {"utt_id": "ls/61-70968-0000", "speaker": "ls/61", "session": "ls/61/70968", "split": "test"},
    ]
    assert dict(table["attributes"].to_pylist()[2]) == {"gender": "m", "language": "en", "subset": "test-clean"}
    assert corpus(root, "test-clean").sources().num_rows == 1


def test_what_does_not_fit_is_named(root: Path) -> None:
    with pytest.raises(ValueError, match=r"root missing: .*train-clean-100"):
        corpus(root, "train-clean-100").sources()
    with pytest.raises(ValueError, match="subsets must be named once each"):
        corpus(root, "test-clean", "test-clean")
    (root / "test-clean/61/extra.flac").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"off the LibriSpeech layout: got num_files=1.*At test-clean/61/extra\.flac"):
        corpus(root, "test-clean").sources()
    (root / "SPEAKERS.TXT").write_text("14 | F | train-clean-360 | 25.03 | Kristin LeMoine\n")
    with pytest.raises(ValueError, match=r"got num_files=2, expected .* of a speaker in SPEAKERS\.TXT"):
        corpus(root, "test-clean").sources()
    (root / "SPEAKERS.TXT").write_text("14,F\n")
    with pytest.raises(ValueError, match="not LibriSpeech's list of speakers"):
        corpus(root, "test-clean").sources()
    (root / "SPEAKERS.TXT").unlink()
    with pytest.raises(ValueError, match=r"list missing: .*SPEAKERS"):
        corpus(root, "test-clean").sources()
