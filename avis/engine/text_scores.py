"""Read scores in text: lines with an answer, or with the two sides of the trial, or with both."""

import pyarrow as pa

ANSWERS = {"1": True, "target": True, "0": False, "nontarget": False}
LAYOUTS: dict[int, tuple[str, ...]] = {
    2: ("target", "score"),
    3: ("enroll", "test", "score"),
    4: ("enroll", "test", "target", "score"),
}
FORMATS = "'label score', 'enroll test label score' or (a baseline's) 'enroll test score'"


def text_scores(data: bytes, uri: str) -> pa.Table:
    """Parse lines of one of `FORMATS`, where label is 1 or target, 0 or nontarget.

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
    for number, line in enumerate(data.decode("utf-8-sig", errors="replace").splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            scores.append(float(words[-1]))
            layout = LAYOUTS[len(words)]
            fits = len(words) == len(rows[0] if rows else words) and ("target" not in layout or words[-2] in ANSWERS)
        except (ValueError, KeyError):
            fits = False
        if not fits:
            raise ValueError(
                f"score line malformed: got {line!r}, expected {FORMATS}, the same in all lines, with label 0, 1, "
                f"target or nontarget. At {uri}:{number}. Correct the line."
            )
        rows.append(words)
    names = LAYOUTS[len(rows[0])] if rows else LAYOUTS[2]
    columns = {name: [words[place] for words in rows] for place, name in enumerate(names)}
    targets = [ANSWERS[label] for label in columns["target"]] if "target" in columns else [None] * len(rows)
    sides: dict[str, pa.Array] = {
        side: pa.array(columns[side], pa.string()) for side in ("enroll", "test") if side in columns
    }
    return pa.table({**sides, "target": pa.array(targets, pa.bool_()), "score": pa.array(scores, pa.float64())})
