"""One HTML page about a collection of recordings, with nothing outside the file."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from avis.reports.distribution_plot import distribution_plot
from avis.reports.drawing import png
from avis.reports.html import data_uri, render
from avis.reports.inspection_warnings import warnings
from avis.reports.store_findings import Findings, Group, Summary

UNKNOWN = "\N{EM DASH}"


class Measure(NamedTuple):
    """How a measure is called, in which unit and with how many decimals it is shown, and how to read it."""

    heading: str
    unit: str
    decimals: int
    reading: str
    factor: float = 1.0

    def label(self) -> str:
        """Return the name with its unit, if there is one."""
        return f"{self.heading} ({self.unit})" if self.unit else self.heading

    def text(self, value: float | None) -> str:
        """Return a value as text, without its unit.

        >>> MEASURES["silence_share"].text(0.251)
        '25.1'
        """
        return UNKNOWN if value is None else f"{self.factor * value:,.{self.decimals}f}".replace("-", "\N{MINUS SIGN}")


MEASURES = {
    "utterances_per_speaker": Measure("Utterances per speaker", "", 0, "Speakers with few teach and prove little."),
    "sessions_per_speaker": Measure(
        "Sessions per speaker",
        "",
        0,
        "With one session each, a speaker's voice and microphone cannot be told apart.",
    ),
    "duration_s": Measure("Duration", "s", 2, "Of whole utterances, pauses included."),
    "rms_dbfs": Measure("Level", "dBFS", 1, "Of all samples; a sine at full scale has \N{MINUS SIGN}3 dB."),
    "dc_offset": Measure(
        "DC offset",
        "% of full scale",
        2,
        "Mean of all samples. It comes from the sound card; where speakers differ in it, so do their microphones.",
        100.0,
    ),
    "snr_db": Measure(
        "Signal-to-noise ratio",
        "dB",
        1,
        "A quick estimate from the loudness of frames; noise gates and digital silence make it read high.",
    ),
    "clip_ratio": Measure("Clipping", "% of samples", 3, "Samples at full scale. Most utterances have none.", 100.0),
    "bandwidth_hz": Measure(
        "Bandwidth",
        "Hz",
        0,
        "Highest frequency that is within 60 dB of the peak of the spectrum. Telephone speech ends below 4 kHz.",
    ),
    "silence_share": Measure(
        "Silence", "% of duration", 1, "Time without speech, by the loudness of frames; noise can pass for it.", 100.0
    ),
}
"""Measures in the order of the page."""

STATISTICS = {"min": "lowest", "p05": "5 %", "median": "median", "mean": "mean", "p95": "95 %", "max": "highest"}

DUPLICATES = {
    "across_speakers": "Of several speakers",
    "within_speaker": "Of one speaker",
}

RULES = {
    "few_utterances": "Too few utterances",
    "near_silent": "Near-silent",
    "mixed_bandwidth": "Mixed bandwidth",
    "quiet": "Near-silent",
    "clipped": "Clipped",
    "narrow_band": "Narrow-band",
    "mostly_silence": "Mostly silence",
}


def inspection_page(findings: Findings, *, facts: Mapping[str, str]) -> str:
    """Return a self-contained page: warnings, amounts, what is shared or there twice, suspects, rejects, distributions.

    Parameters
    ----------
    findings : Findings
        What to show.
    facts : mapping of str to str
        What was inspected, shown in this order.
    """
    total = findings.total
    splits = [group.split for group in findings.groups if group.corpus is None]
    return render(
        "inspection.html.j2",
        title="Recordings inspected",
        headlines={
            "Hours": f"{total.hours:,.1f}",
            **{name.title(): f"{getattr(total, name):,}" for name in ("speakers", "sessions", "utterances")},
        },
        warnings=warnings(findings),
        splits=splits,
        amounts=[_amounts(group) for group in findings.groups],
        shared=findings.shared,
        trials={name: dataclasses.asdict(counts) for name, counts in findings.trials.items()},
        duplicates={heading: getattr(findings.duplicates, kind) for kind, heading in DUPLICATES.items()},
        headings=RULES,
        speakers=findings.suspicious_speakers,
        utterances=findings.suspicious_utterances,
        rejects=findings.rejects,
        measures=[_measure(name, findings) for name in MEASURES],
        statistics=list(STATISTICS.values()),
        facts=facts,
    )


def _group_name(group: Group) -> str:
    return group.split if group.corpus is None else f"{group.split}: {group.corpus}"


def _amounts(group: Group) -> dict[str, str]:
    amounts, speech = group.amounts, group.amounts.speech_hours
    return {
        "name": _group_name(group),
        "hours": f"{amounts.hours:,.2f}",
        "of speech": UNKNOWN if speech is None else f"{speech:,.2f}",
        **{name: f"{getattr(amounts, name):,}" for name in ("speakers", "sessions", "utterances")},
    }


def _measure(name: str, findings: Findings) -> dict[str, Any]:
    measure, histogram = MEASURES[name], findings.distributions.get(name)
    picture = None
    if histogram is not None:
        edges = measure.factor * np.asarray(histogram.edges)
        figure = distribution_plot(edges, histogram.counts, label=measure.label())
        picture = data_uri(png(figure))
    return {
        "name": measure.label(),
        "reading": measure.reading,
        "picture": picture,
        "rows": [_summary(measure, _group_name(group), group.amounts.measures[name]) for group in findings.groups],
    }


def _summary(measure: Measure, name: str, summary: Summary) -> dict[str, str]:
    shown = {label: measure.text(getattr(summary, key)) for key, label in STATISTICS.items()}
    return {"name": name, **shown, "missing": f"{summary.missing:,}"}
