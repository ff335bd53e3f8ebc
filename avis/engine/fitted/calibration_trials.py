"""Choose the trials that calibrations are fitted on, by speakers who are neither trained on nor tested."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from avis.engine.recipe import ScoreRecipe
from avis.engine.trials.crops import crop_ids
from avis.engine.workers.console import warn_once
from avis.lineage import Lineage, spelled
from avis.names import shared
from avis.schema import ENROLMENTS, TRIALS
from avis.scoring.pairing import Pairing
from avis.scoring.trial_ids import NO_REJECTS, gather, resolve
from avis.scoring.trials import check_both_kinds, read_trials


def calibration_trials(recipe: ScoreRecipe, index: pa.Table, *, rejects: pa.Table = NO_REJECTS) -> pa.Table | None:
    """Return the configured calibration list in the store's ids, or pairs of its validation speakers.

    Returns
    -------
    pyarrow.Table or None
        In schema `avis.schema.TRIALS`; None without calibration, or where the store has no validation speakers.

    Raises
    ------
    ValueError
        If the list cannot be read, names utterances that the store lacks, or has unknown answers or one kind alone.
    """
    settings = recipe.calibration
    if settings is None:
        return None
    if settings.trials is None:
        return _validation_pairs(index, settings.max_trials, recipe.seed)
    listed = read_trials(settings.trials)
    check_both_kinds(listed, where=settings.trials)
    trials, _ = resolve(
        listed,
        index["utt_id"],
        corpora=sorted(index["corpus"].unique().to_pylist()),
        leave_out_missing=recipe.trial_checks.leave_out_missing,
        rejects=rejects,
    )
    if left := len(listed) - len(trials):
        warn_once(f"{left} of {len(listed)} calibration trials are left out: the store lacks their utterances")
        check_both_kinds(trials, where=f"{settings.trials}, of which {left} trials are left out")
    if trials["target"].null_count:
        raise ValueError(
            f"answers unknown: got {trials['target'].null_count} calibration trials without target, expected none. "
            f"At {settings.trials}. Calibrate on a list whose answers are known."
        )
    return trials.select(["enroll", "test", "target"])


def _validation_pairs(index: pa.Table, max_trials: int, seed: int) -> pa.Table | None:
    """Draw pairs of held-out utterances: targets across sessions where speakers have several."""
    held_out = index.filter(pc.equal(index["split"], "validation"))
    if not len(held_out):
        return None
    sessions = held_out.group_by("speaker").aggregate([("session", "count_distinct")])
    pairing = Pairing(
        split="validation",
        cross_session=pc.max(sessions["session_count_distinct"]).as_py() > 1,
        same=[],
        max_target=max_trials,
        max_nontarget=max_trials,
        balanced=False,
        seed=seed,
    )
    return pairing.pairs(held_out)


class CalibrationTrials(NamedTuple):
    """Trials to calibrate on, their enrolment models, and of how many utterances the tested models mostly are.

    ``trials`` is None where there are none; ``models``, in schema `avis.schema.ENROLMENTS`, and ``size`` are None where
    the tested enrolments are utterances.
    """

    trials: pa.Table | None
    models: pa.Table | None = None
    size: int | None = None

    def with_crops(self) -> "CalibrationTrials":
        """Let both utterances of a trial be whole and cropped, so that one becomes four; a model is of crops then."""
        assert self.trials is not None, "no trials to crop"
        forms = [
            self.trials.set_column(0, "enroll", enroll).set_column(1, "test", test)
            for enroll in (self.trials["enroll"], crop_ids(self.trials["enroll"]))
            for test in (self.trials["test"], crop_ids(self.trials["test"]))
        ]
        models = self.models
        if models is not None:
            models = pa.concat_tables([models, pa.table([crop_ids(ids) for ids in models.columns], models.schema)])
        return self._replace(trials=pa.concat_tables(forms), models=models)

    def utterances(self, index: pa.Table) -> pa.Table:
        """Return the rows of ``index`` of the utterances that are calibrated on."""
        assert self.trials is not None, "no trials to calibrate on"
        enroll = self.trials["enroll"] if self.models is None else self.models["utt_id"]
        ids = pa.chunked_array([*enroll.chunks, *self.trials["test"].chunks], pa.string()).unique()
        return index.take(gather(ids, index["utt_id"]))

    def warnings(self) -> Iterator[str]:
        """Say where the calibration's enrolments are of fewer utterances than those that are tested."""
        if self.models is None or self.size is None:
            return
        mean = len(self.models) / len(self.models["enroll_model"].unique())
        if mean < self.size - 0.5:
            yield (
                f"Likelihood ratios may be off: calibration speakers were enrolled with {mean:.1f} utterances on "
                f"average, for want of more, but tested ones mostly with {self.size}."
            )


def with_models(trials: pa.Table | None, index: pa.Table, tested: pa.Table | None) -> CalibrationTrials:
    """Let enrolments of calibration trials be models of as many utterances as the tested models have (their median).

    To the utterance of a trial others of its speaker are added: where the test is by the same speaker, from other
    sessions than the test's if that is not the enrolment's own, else any but the test itself.

    Parameters
    ----------
    trials : pyarrow.Table or None
        See `calibration_trials`.
    index : pyarrow.Table
        See `avis.engine.trials.lists.read_index`.
    tested : pyarrow.Table or None
        The tested models, in schema `avis.schema.ENROLMENTS`.
    """
    if tested is None:
        return CalibrationTrials(trials)
    size = round(float(np.median(tested["enroll_model"].combine_chunks().value_counts().field("counts").to_numpy())))
    if trials is None:
        return CalibrationTrials(None, None, size)
    speakers = index["speaker"].take(gather(utterances_of(trials), index["utt_id"])).unique()
    rows = index.filter(pc.is_in(index["speaker"], value_set=speakers)).sort_by("utt_id")
    known = {row["utt_id"]: row for row in rows.select(["utt_id", "speaker", "session"]).to_pylist()}
    of_speaker: dict[str, list[str]] = {}
    for utt_id, row in known.items():
        of_speaker.setdefault(row["speaker"], []).append(utt_id)
    models: dict[str, list[str]] = {}
    enrolled = []
    for enroll, test in zip(trials["enroll"].to_pylist(), trials["test"].to_pylist(), strict=True):
        one, other = known[enroll], known[test]
        column = "utt_id" if one["session"] == other["session"] else "session"
        avoided = other[column] if one["speaker"] == other["speaker"] else None
        enrolled.append(f"{enroll} {avoided}")
        if enrolled[-1] not in models:
            spoken = of_speaker[one["speaker"]]
            first = spoken.index(enroll)
            following = (*spoken[first + 1 :], *spoken[:first])
            models[enrolled[-1]] = [enroll, *[each for each in following if known[each][column] != avoided][: size - 1]]
    flat = [(name, utt_id) for name, members in models.items() for utt_id in members]
    table = pa.table([pa.array(side, pa.string()) for side in zip(*flat, strict=True)], schema=ENROLMENTS)
    return CalibrationTrials(trials.set_column(0, TRIALS.field("enroll"), pa.array(enrolled)), table, size)


def check_calibration_speakers(trials: pa.Table, index: pa.Table, *, lineage: Lineage, tested: set[str]) -> set[str]:
    """Return the speakers of the calibration trials.

    Raises
    ------
    ValueError
        If one of them is trained on, by the model or one before it, or tested, or not known.
    """
    rows = gather(utterances_of(trials), index["utt_id"])
    spoken = index["speaker"].take(rows)
    if spoken.null_count:
        raise ValueError(
            f"calibration speakers unknown: got {spoken.null_count} utterances without a speaker, expected none, since "
            "nobody could say whether they are trained on or tested. At calibration.trials. Name their speakers."
        )
    speakers = set(spoken.to_pylist())
    both = {"trained on": lineage.seen(speakers), "tested": dict.fromkeys(shared(speakers, tested), "")}
    for what, found in both.items():
        if found:
            raise ValueError(
                f"calibration speaker {what}: got {len(found)} speakers of the calibration trials among those {what}, "
                f"expected none. At {spelled(found)}. Calibrate on other speakers, or leave "
                "calibration.trials=null for the validation speakers."
            )
    return speakers


def utterances_of(trials: pa.Table) -> pa.Array:
    """Return the ids of a list in the store's ids, each once."""
    return pa.chunked_array([*trials["enroll"].chunks, *trials["test"].chunks], pa.string()).unique()
