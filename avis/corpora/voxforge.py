"""Read VoxForge in the layout of its archives."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa

from avis.audio.listing import existing_root, list_audio
from avis.corpora.files import GENDERS, NO_SESSION, check_split, named, say_merged, source, sources_table
from avis.location import join, names_in, read_bytes
from avis.names import fold, twins

LAYOUT = re.compile(r"(?P<submission>[^/]+)/(?:wav|flac)/[^/]+")

SUBMISSION = re.compile(r"(?P<speaker>.+?)-(?P<day>\d{8}).*")
"""Most are called so."""

ANONYMOUS = "anonymous"
"""Who gave no name: somebody else each time, as far as one can tell."""

ATTRIBUTES = {
    "gender": "gender",
    "age range": "age",
    "language": "language",
    "pronunciation dialect": "dialect",
    "microphone type": "microphone",
}
"""Lines of a submission's README, and what they are called here."""

NUM_READERS = 16
"""READMEs that are read at a time: there are thousands, each a few hundred bytes, and a remote store takes its time."""

NOT_SAID = ("", "unknown", "please select", "other", "n/a")


@dataclass(frozen=True, kw_only=True)
class VoxForge:
    """Files as ``ralfherzog-20070816-de2/wav/de2-01.wav``: submission (speaker and day), prompt.

    The session is the day: what a speaker sent in on one day may be from one sitting. Of a submission called otherwise,
    the speaker is what stands before the first ``-`` and the session the rest. Submissions by ``anonymous`` are
    taken for a speaker each, as in Kaldi's recipe, though one person may have sent several. Names were typed anew for
    each submission: those that differ in letter case or blanks alone are taken for one, and it is said. Attributes are
    those of `ATTRIBUTES` that ``etc/README`` tells, in lower case; ``gender`` is ``f`` or ``m``.

    Attributes
    ----------
    name : str
        Name of the corpus; begins every id.
    root : str
        Folder that holds the submissions, unpacked.
    split : str
        ``train`` or ``test``; VoxForge defines none.

    References
    ----------
    http://www.voxforge.org. The layout is as Kaldi's ``egs/voxforge/s5/local/voxforge_data_prep.sh`` and
    ``voxforge_map_anonymous.sh`` read it.
    """

    name: str
    root: str
    split: str

    def __post_init__(self) -> None:
        check_split(self.split, where=f"corpus {self.name}")

    def sources(self) -> pa.Table:
        """List the files as a table in schema `avis.schema.SOURCES`.

        Raises
        ------
        ValueError
            The root is missing or holds no audio, or a file is off the layout.
        """
        root = existing_root(self.root)
        matches = [(file, LAYOUT.fullmatch(file.relative)) for file in list_audio(root)]
        stray = [file.relative for file, match in matches if match is None]
        if stray:
            raise ValueError(
                f"files off the VoxForge layout: got num_files={len(stray)}, expected name-20070816-abc/wav/a0001.wav "
                f"below root={self.root!r}. At {named(stray)}. Point the root at the folder of the submissions, or use "
                "corpus=folder."
            )
        parts = [(file, match["submission"]) for file, match in matches if match is not None]
        submissions = sorted({submission for _, submission in parts})
        with ThreadPoolExecutor(NUM_READERS) as pool:
            readmes = pool.map(read_readme, [join(root, submission, "etc") for submission in submissions])
            attributes = dict(zip(submissions, readmes, strict=True))
        parsed = {submission: speaker_and_session(submission) for submission in submissions}
        speakers = [speaker for speaker, _ in parsed.values()]
        say_merged(speakers, key=fold)
        first = {speaker: group[0] for group in twins(speakers) for speaker in group}
        rows = []
        for file, submission in parts:
            speaker, session = parsed[submission]
            rows.append(
                source(
                    file,
                    corpus=self.name,
                    split=self.split,
                    speaker=first.get(speaker, speaker),
                    session=session,
                    attributes=attributes[submission],
                )
            )
        return sources_table(rows)


def speaker_and_session(submission: str) -> tuple[str, str]:
    """Tell speaker and session by the name of a submission.

    >>> speaker_and_session("ralfherzog-20070816-de2"), speaker_and_session("anonymous-20080723-abc")
    (('ralfherzog', '20070816'), ('anonymous-20080723-abc', '20080723'))
    """
    match = SUBMISSION.fullmatch(submission)
    speaker, _, rest = submission.partition("-")
    speaker, session = (match["speaker"], match["day"]) if match else (speaker, rest or NO_SESSION)
    return (submission if speaker.lower() == ANONYMOUS else speaker), session


def read_readme(folder: str) -> dict[str, str]:
    """Read the attributes of a submission from its README, in lines such as ``Gender: Male;``; none without README."""
    attributes: dict[str, str] = {}
    for name in names_in(folder):
        if name.lower() == "readme":
            text = read_bytes(join(folder, name)).decode(errors="replace")
            for key, _, value in (line.partition(":") for line in text.split("\n")):
                label, said = ATTRIBUTES.get(key.strip().lower()), value.strip(" \t\r\n;[]").lower()
                if label and said not in NOT_SAID:
                    attributes.setdefault(label, said)
    if attributes.get("gender") not in GENDERS:
        attributes.pop("gender", None)
    return attributes
