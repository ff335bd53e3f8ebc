"""Read CN-Celeb1 and CN-Celeb2 in the layout of their archives, by their official lists."""

import os
import re
from dataclasses import dataclass

import pyarrow as pa

from avis.audio.listing import AudioFile, existing_root, list_audio
from avis.corpora.files import named, read_text, source, sources_table
from avis.location import absolute, join

RECORDING = re.compile(r"(?P<genre>[^/-]+)-(?P<recording>\d+)-\d+")
"""Stem of a file: genre, recording in it, segment of the recording."""

EVALUATED = re.compile(r"(?P<speaker>id\d+)-(?P<stem>[^/]+)")
"""Stem of a file of the evaluation."""

ENROLLED = "enroll"
ENROLMENTS = "enroll.map"


@dataclass(frozen=True, kw_only=True)
class CnCeleb1:
    """Training files as ``data/id00000/singing-01-002.flac``, and those of the evaluation.

    ``dev/dev.lst`` names the training speakers, whose files in ``data`` have the split ``train``. The evaluation is
    ``eval/enroll/id00800-enroll.flac`` and ``eval/test/id00800-singing-01-001.flac``, of other speakers, and of their
    files in ``data`` those that ``eval/lists/enroll.map`` names, which were joined to ``id00800-enroll.flac``; the
    others, from which the tests were cut, are left out. The session is genre and recording; what was joined is a
    session of its own. Attributes are ``genre`` and ``language``. Trial ids of ``trials.lst`` are those of the list,
    with ``<name>/`` in front and without suffix.

    Attributes
    ----------
    name : str
        Name of the corpus; begins every id.
    root : str
        Folder ``CN-Celeb_flac`` (or ``CN-Celeb``, of wav files), which holds ``data``, ``dev`` and ``eval``.

    References
    ----------
    Fan et al.: "CN-Celeb: a challenging Chinese speaker recognition dataset", ICASSP 2020.
    https://www.openslr.org/82. The layout is as Kaldi's ``egs/cnceleb/v1/local/make_cnceleb1.sh`` and WeSpeaker's
    ``examples/cnceleb/v2/local/prepare_data.sh`` read it.
    """

    name: str
    root: str

    @property
    def trial_lists(self) -> dict[str, tuple[str, str | None]]:
        """The official trials, every enrolled speaker against the test files, in the two ways to enrol.

        By WeSpeaker's names: in ``CNC-Eval-Avg``, of which its results are, an enrolment is a model of the files that
        ``enroll.map`` names (lines ``id00800-enroll id00800/singing-01-001.wav ...``); in ``CNC-Eval-Concat`` it is
        the joined file.
        """
        trials = join(self._lists, "trials.lst")
        return {"CNC-Eval-Avg": (trials, join(self._lists, ENROLMENTS)), "CNC-Eval-Concat": (trials, None)}

    @property
    def _lists(self) -> str:
        return join(absolute(self.root), "eval", "lists")

    def sources(self) -> pa.Table:
        """List the files as a table in schema `avis.schema.SOURCES`.

        Raises
        ------
        ValueError
            The root, a list or a folder is missing, a listed speaker has no files, or a file is off the layout.
        """
        root = existing_root(self.root)
        rows = _recordings(root, read_speakers(join(root, "dev", "dev.lst")), corpus=self.name, split="train")
        rows += self._enrolled(root)
        for part in (ENROLLED, "test"):
            folder = join(root, "eval", part)
            files = list_audio(folder)
            matches = [EVALUATED.fullmatch(os.path.splitext(file.relative)[0]) for file in files]
            stray = [file.relative for file, match in zip(files, matches, strict=True) if match is None]
            if stray:
                raise _off_layout(stray, folder, "id00800-enroll.flac or id00800-singing-01-001.flac")
            rows += [
                self._evaluated(file, part, match["speaker"], match["stem"])
                for file, match in zip(files, matches, strict=True)
                if match is not None
            ]
        return sources_table(rows)

    def _enrolled(self, root: str) -> list[dict[str, object]]:
        """List the files that the enrolment models are of."""
        path = join(self._lists, ENROLMENTS)
        lines = read_text(path, expected="the files of each enrolment, as cn-celeb_v2.tar.gz has them").splitlines()
        names = {os.path.splitext(file)[0] for line in lines for file in line.split()[1:]}
        speakers = sorted({name.partition("/")[0] for name in names})
        rows = _recordings(root, speakers, corpus=self.name, split="test")
        found = {str(row["utt_id"]).removeprefix(f"{self.name}/"): row for row in rows}
        missing = sorted(names - found.keys())
        if missing:
            raise ValueError(
                f"enrolled files are missing: got {len(missing)} names without a file below {join(root, 'data')}, "
                f"expected none. At {path}, {named(missing)}. Fetch the corpus again."
            )
        return [found[name] for name in sorted(names)]

    def _evaluated(self, file: AudioFile, part: str, speaker: str, stem: str) -> dict[str, object]:
        recording = RECORDING.fullmatch(stem)
        name = os.path.splitext(file.relative)[0]
        return source(
            file,
            corpus=self.name,
            split="test",
            speaker=speaker,
            session=stem if recording is None else f"{recording['genre']}-{recording['recording']}",
            utt_id=name if part == ENROLLED else f"{part}/{name}",
            attributes={"language": "zh"} | ({} if recording is None else {"genre": recording["genre"]}),
        )


@dataclass(frozen=True, kw_only=True)
class CnCeleb2:
    """Files as ``data/id10000/advertisement-01-001.flac``, all for training, of the speakers in ``spk.lst``.

    Sessions and attributes are those of `CnCeleb1`, whose speakers are others.

    Attributes
    ----------
    name : str
        Name of the corpus; begins every id.
    root : str
        Folder ``CN-Celeb2_flac``, which holds ``data`` and ``spk.lst``.

    References
    ----------
    Li et al.: "CN-Celeb: multi-genre speaker recognition", Speech Communication 137, 2022.
    https://www.openslr.org/82. The layout is as Kaldi's ``egs/cnceleb/v1/local/make_cnceleb2.sh`` reads it.
    """

    name: str
    root: str

    def sources(self) -> pa.Table:
        """List the files as a table in schema `avis.schema.SOURCES`.

        Raises
        ------
        ValueError
            As `CnCeleb1.sources`.
        """
        root = existing_root(self.root)
        return sources_table(_recordings(root, read_speakers(join(root, "spk.lst")), corpus=self.name, split="train"))


def read_speakers(path: str) -> list[str]:
    """Read a list of speakers, one a line.

    Raises
    ------
    ValueError
        The list is missing or empty.
    """
    speakers = read_text(path, expected="a list of speakers").split()
    if not speakers:
        raise ValueError(f"empty list: got num_speakers=0, expected at least one. At {path}. Fetch it again.")
    return speakers


def _recordings(root: str, speakers: list[str], *, corpus: str, split: str) -> list[dict[str, object]]:
    rows, stray = [], []
    for speaker in speakers:
        for file in list_audio(join(root, "data", speaker)):
            match = RECORDING.fullmatch(os.path.splitext(file.relative)[0])
            if match is None:
                stray.append(f"{speaker}/{file.relative}")
                continue
            rows.append(
                source(
                    file,
                    corpus=corpus,
                    split=split,
                    speaker=speaker,
                    session=f"{match['genre']}-{match['recording']}",
                    utt_id=f"{speaker}/{match.group()}",
                    attributes={"genre": match["genre"], "language": "zh"},
                )
            )
    if stray:
        raise _off_layout(stray, join(root, "data"), "id00000/singing-01-002.flac")
    return rows


def _off_layout(stray: list[str], folder: str, expected: str) -> ValueError:
    return ValueError(
        f"files off the CN-Celeb layout: got num_files={len(stray)}, expected {expected} below {folder}. "
        f"At {named(stray)}. Point the root at the folder of the archive."
    )
