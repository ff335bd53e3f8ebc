"""Read scores in text, as toolkits and evaluations write them."""

import pyarrow as pa
import pyarrow.compute as pc

from avis.scoring.trial_text import Format, as_answers, as_numbers, read_text

FORMATS = (
    "'<label> <score>' or '<score> <label>' (Kaldi), '<enroll> <test> <label> <score>' (SpeechBrain), "
    "'<enroll> <test> <score> <label>' (WeSpeaker), '<enroll> <test> <score>' (Kaldi) or '<score> <enroll> <test>' "
    "(VoxSRC), whose answers trials=<list> has, or CSV, TSV or Parquet with columns enroll, test, score, target (or "
    "label, key) or NIST's modelid, segmentid, LLR"
)

SCORE_FILE = Format(
    what="score file",
    layouts=(
        ("target", "score"),
        ("score", "target"),
        ("enroll", "test", "score"),
        ("score", "enroll", "test"),
        ("enroll", "test", "target", "score"),
        ("enroll", "test", "score", "target"),
    ),
    columns=("enroll", "test", "target", "score", "llr"),
    expected=FORMATS,
)


def text_scores(data: bytes, path: str) -> pa.Table:
    """Parse text of one of `FORMATS`, where label is one of `avis.scoring.trial_text.ANSWERS` in any case.

    Returns
    -------
    pyarrow.Table
        Columns ``target``, ``score`` (or ``llr``) and, where the text has them, ``enroll``, ``test`` and others of a
        table. ``target`` is null where there is no label.

    Raises
    ------
    ValueError
        See `avis.scoring.trial_text.read_text`; or an answer or a score is none, there is no score, or scores may as
        well be answers.
    """
    table, source = read_text(data, path, SCORE_FILE)
    if not {"score", "llr"} & {*table.column_names}:
        raise ValueError(
            f"A score file has scores: got columns={table.column_names}, expected score or LLR among them. At {path}. "
            "Name the column of the scores so."
        )
    if "target" not in table.column_names:
        _check_no_answers(table, path)
        table = table.append_column("target", pa.nulls(len(table), pa.bool_()))
    for name, convert in (("target", as_answers), ("score", as_numbers), ("llr", as_numbers)):
        if name in table.column_names:
            place = table.column_names.index(name)
            table = table.set_column(place, name, convert(table[name], at=source.at))
    return table


def _check_no_answers(table: pa.Table, path: str) -> None:
    """Refuse a trial list that may be taken for scores: its answers would be perfect ones."""
    if "score" in table.column_names and len(table) and pc.all(pc.is_in(table["score"], pa.array(["0", "1"]))).as_py():
        raise ValueError(
            f"Scores are no answers: got 0 and 1 alone in {len(table)} lines, expected scores. At {path}. If this is "
            "the trial list, give it as trials=<list>; if these are scores, write them as 0.0 and 1.0."
        )
