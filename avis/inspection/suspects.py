"""Point out utterances and speakers that a corpus is better cleaned of, by rules with numbers of their own."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from avis.inspection.columns import StoreColumns
from avis.reports.store_findings import SpeakerShares, SuspiciousSpeakers, SuspiciousUtterances

Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What is called suspicious; a value that was not measured never is.

    Parameters
    ----------
    min_utterances : int
        A speaker with fewer has too few.
    quiet_dbfs : float
        An utterance whose level is below is near-silent, and a speaker half of whose utterances are.
    clipped_ratio : float
        An utterance is clipped where at least this share of its samples is at full scale.
    narrow_hz : float
        An utterance whose bandwidth ends here or below is narrow-band: telephone speech, whatever its sample rate.
    mixed_share : float
        A speaker of whose utterances at least this share is narrow-band, and at least this share is not, is of mixed
        bandwidth.
    max_silence_share : float
        An utterance with more silence than this is mostly silence.
    num_examples : int
        How many of each finding are named; the rest is counted.
    """

    min_utterances: PositiveInt
    quiet_dbfs: float
    clipped_ratio: Annotated[float, Field(gt=0, le=1)]
    narrow_hz: PositiveFloat
    mixed_share: Annotated[float, Field(gt=0, le=0.5)]
    max_silence_share: Share
    num_examples: NonNegativeInt

    def utterance_rules(self) -> dict[str, str]:
        """Return what each rule about utterances says, by its name."""
        return {
            "quiet": f"level below {self.quiet_dbfs:g} dBFS",
            "clipped": f"{self.clipped_ratio:.2%} of the samples or more at full scale",
            "narrow_band": f"nothing above {self.narrow_hz:g} Hz",
            "mostly_silence": f"more than {self.max_silence_share:.0%} without speech",
        }

    def speaker_rules(self) -> dict[str, str]:
        """Return what each rule about speakers says, by its name."""
        return {
            "few_utterances": f"fewer than {self.min_utterances} utterances",
            "near_silent": f"half of the utterances or more below {self.quiet_dbfs:g} dBFS",
            "mixed_bandwidth": f"at least {self.mixed_share:.0%} of the utterances end at {self.narrow_hz:g} Hz or "
            f"below, and at least {self.mixed_share:.0%} do not",
        }


def suspicious_utterances(data: StoreColumns, rules: Rules) -> list[SuspiciousUtterances]:
    """Return to how many utterances of each split every rule applies."""
    return [
        SuspiciousUtterances(
            rule=rule,
            says=rules.utterance_rules()[rule],
            num={split: int(np.count_nonzero(marked & data.in_split(split))) for split in data.splits()},
            examples=data.utt_id.take(np.flatnonzero(marked)[: rules.num_examples]).to_pylist(),
        )
        for rule, marked in _marked(data, rules).items()
    ]


def _marked(data: StoreColumns, rules: Rules) -> dict[str, NDArray[np.bool_]]:
    measures = data.measures  # comparisons with NaN are false; limits are rounded as the stored values were
    return {
        "quiet": measures["rms_dbfs"] < np.float32(rules.quiet_dbfs),
        "clipped": measures["clip_ratio"] >= np.float32(rules.clipped_ratio),
        "narrow_band": measures["bandwidth_hz"] <= np.float32(rules.narrow_hz),
        "mostly_silence": measures["silence_share"] > rules.max_silence_share,
    }


def suspicious_speakers(data: StoreColumns, rules: Rules) -> list[SuspiciousSpeakers]:
    """Return to how many speakers every rule applies."""
    utterances = data.speaker.counts()
    marked = _marked(data, rules)
    quiet = _share(data, marked["quiet"], known=~np.isnan(data.measures["rms_dbfs"]))
    narrow = _share(data, marked["narrow_band"], known=~np.isnan(data.measures["bandwidth_hz"]))
    suspicious = {
        "few_utterances": utterances < rules.min_utterances,
        "near_silent": quiet >= 0.5,
        "mixed_bandwidth": (narrow >= rules.mixed_share) & (1.0 - narrow >= rules.mixed_share),
    }

    def shares(code: int) -> SpeakerShares:
        return SpeakerShares(data.speaker.name(code), int(utterances[code]), _known(quiet[code]), _known(narrow[code]))

    return [
        SuspiciousSpeakers(
            rule=rule,
            says=says,
            num=int(np.count_nonzero(suspicious[rule])),
            examples=[shares(code) for code in np.flatnonzero(suspicious[rule])[: rules.num_examples]],
        )
        for rule, says in rules.speaker_rules().items()
    ]


def _share(data: StoreColumns, marked: NDArray[np.bool_], *, known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return for every speaker which part of the utterances where it is known is marked, NaN without any."""
    num_known = data.speaker.counts(known)
    unknown = np.full(len(num_known), np.nan)
    return np.divide(data.speaker.counts(marked), num_known, out=unknown, where=num_known > 0)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
