"""Write the pages of some trials, from their records and the recordings of a store."""

import re

import pyarrow as pa
import pyarrow.compute as pc

from avis import location, store
from avis.engine.trials.explainer import places_of
from avis.engine.trials.recordings import as_flac, read_recordings
from avis.explain.faithfulness.windows_scorer import WindowsError
from avis.explain.page.trial import trial_page
from avis.explain.record import Explanation
from avis.explain.text.sentences import Preset, sentences

SHARE = re.compile(r"segments/(\d+)/llr")
"""The first fact of a sentence on what a stretch adds."""

PAGES = pa.schema(
    [
        pa.field("number", pa.int64(), nullable=False),
        pa.field("page", pa.string(), nullable=False),
        pa.field("verbal", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
    ]
)
"""One row per page: the number of its trial, the name of its file, and ratio and strongest reason in words."""


class PageMaker:
    """Write the pages of one part of the records; see `avis.engine.workers.parts.PartMaker`.

    Parameters
    ----------
    folder : str
        Where pages lie, each under the number of its trial.
    preset : str
        For whom; see `avis.explain.text.sentences.sentences`.
    windows_error : WindowsError or None
        See `avis.explain.page.trial.trial_page`.
    """

    def __init__(self, folder: str, preset: Preset, windows_error: WindowsError | None) -> None:
        self.folder, self.preset, self.windows_error = folder, preset, windows_error

    def __call__(self, task: pa.Table) -> dict[str, pa.Table]:
        """Write the pages, and return what an index says of them.

        Parameters
        ----------
        task : pyarrow.Table
            That of `avis.engine.trials.explainer.Explainer`, with the file of its ``records``.
        """
        recordings = read_recordings(places_of(task))
        told = store.open_part(task["records"][0].as_py()).read(["number", "explanation"])
        records = dict(zip(told["number"].to_pylist(), told["explanation"].to_pylist(), strict=True))
        explained = task.filter(pc.is_in(task["number"], value_set=told["number"].combine_chunks()))
        made = []
        for trial in explained.select(["number", "enrolled", "test"]).to_pylist():
            explanation = Explanation.model_validate_json(records[trial["number"]])
            given = {"enroll": trial["enrolled"], "test": [trial["test"]]}
            audio = {
                (each.side, each.recording): as_flac(recordings[given[each.side][each.recording]])
                for each in explanation.sides
            }
            text = sentences(explanation, self.preset)
            page = trial_page(explanation, audio=audio, text=text, preset=self.preset, windows_error=self.windows_error)
            name = f"{trial['number']}.html"
            store.write_bytes(location.join(self.folder, name), page.encode())
            words = {"verbal": explanation.verbal or "", "reason": strongest_reason(explanation)}
            made.append({"number": trial["number"], "page": name, **words})
        return {"pages": pa.Table.from_pylist(made, schema=PAGES)}


def strongest_reason(explanation: Explanation) -> str:
    """Say which stretch bears the verdict out most, as an engineer is told; empty where none does."""
    sign = 1 if (explanation.llr or 0.0) >= explanation.threshold else -1
    told = [(SHARE.fullmatch(fact), each) for each in sentences(explanation, "engineer") for fact in each.facts[:1]]
    shares = [(sign * (explanation.segments[int(of[1])].llr or 0.0), each.text) for of, each in told if of]
    share, text = max(shares, default=(0.0, ""))
    return text if share > 0.0 else ""
