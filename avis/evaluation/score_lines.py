"""Read scores in text: lines with an answer, or with the two sides of the trial, or with both."""

import pyarrow as pa

from avis.scoring.trials import ANSWERS

LAYOUTS: dict[int, tuple[str, ...]] = {
    2: ("target", "score"),
    3: ("enroll", "test", "score"),
    4: ("enroll", "test", "target", "score"),
}
FORMATS = "'label score', 'enroll test label score' or (a baseline's) 'enroll test score'"


def text_scores(data: bytes, uri: str) -> pa.Table:
    """Parse lines of one of `FORMATS`, where label is one of `avis.scoring.trials.ANSWERS` in any case.

    Returns
    -------
    pyarrow.Table
        Columns ``target``, ``score`` and, where the lines have them, ``enroll`` and ``test``. ``target`` is null where
        they have no label.

    Raises
    ------
    ValueError
        If a line is of another format, or of another than the first.
    """
    rows: list[list[str]] = []
    scores: list[float] = []
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").splitlines(), start=1):
        words = [word.decode(errors="replace") for word in line.split()]  # a no-break space is part of a name
        if not words:
            continue
        try:
            scores.append(float(words[-1]))
            layout = LAYOUTS[len(words)]
            fits = len(words) == len(rows[0] if rows else words) and (
                "target" not in layout or words[-2].lower() in ANSWERS
            )
        except (ValueError, KeyError):
            fits = False
        if not fits:
            raise ValueError(
                f"score line malformed: got {line.decode(errors='replace')!r}, expected {FORMATS}, the same in all "
                f"lines, with a label among {', '.join(ANSWERS)}. At {uri}:{number}. Correct the line."
            )
        rows.append(words)
    names = LAYOUTS[len(rows[0])] if rows else LAYOUTS[2]
    columns = {name: [words[place] for words in rows] for place, name in enumerate(names)}
    targets = [ANSWERS[label.lower()] for label in columns["target"]] if "target" in columns else [None] * len(rows)
    sides: dict[str, pa.Array] = {
        side: pa.array(columns[side], pa.string()) for side in ("enroll", "test") if side in columns
    }
    return pa.table({**sides, "target": pa.array(targets, pa.bool_()), "score": pa.array(scores, pa.float64())})
