"""A recording: its spectrogram, the share of the evidence along it, its segments, and a player."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from avis.explain.page.merging import Step, steps
from avis.explain.page.part import Button, Part, Player, Table
from avis.explain.page.sound import Sound
from avis.explain.page.strongest import Weigher, strongest, weigher
from avis.explain.page.svg import (
    AGAINST,
    FOR,
    Scale,
    axis,
    bar,
    canvas,
    element,
    joined,
    level,
    stretched,
    text,
    upright,
)
from avis.explain.page.wording import NBSP, decimals, path_of, seconds, side_name, signed
from avis.explain.record import Explanation, Segment, Side, SideName

PICTURE_PX, CURVE_PX, STRIP_PX, LABEL_PX = 150, 70, 14, 14
WIDEST = 1.5
"""Steps are drawn at most this many times as wide as most: those that reach over what was not heard."""


def recording_part(explanation: Explanation, side: Side, sound: Sound | None, *, is_first: bool) -> Part:
    """Return a recording as a part of the page, with what of it is known; with the first it is told how to read it."""
    key = (side.side, side.recording)
    segments = [each for each in explanation.segments if (each.side, each.recording) == key]
    along = [step for each in explanation.frames if (each.side, each.recording) == key for step in steps(each)]
    by = weigher(explanation.segments)
    name = side_name(explanation, *key)
    digits = decimals([step.llr for step in along])
    rows = [(seconds(step.start_s, step.end_s, 2), signed(step.llr, digits)) for step in along]
    return Part(
        heading=f"{name}: {path_of(side)}",
        reading=_reading(along, segments, by, sound) if is_first else "",
        drawing=_drawn(side, segments, along, sound, label=_label(name, side, segments, by, sound), by=by),
        table=Table(("Stretch", "Share"), rows, "long"),
        notes=[] if sound else ["No audio was given, so there is no spectrogram and nothing to play."],
        player=_player(key, segments, sound, by) if sound else None,
    )


def _reading(along: list[Step], segments: list[Segment], by: Weigher, sound: Sound | None) -> str:
    said = ["Above, what there is to hear: the darker, the louder."] if sound else []
    if along:
        said.append(
            "The curve is the exact share of the evidence along the recording, in steps of half a second or more: up "
            "(blue) for one person, down (orange) for two. What a step adds, it adds as the model heard it among the "
            "others."
        )
    elif segments:
        said.append("The model allows no exact share of the evidence along the recording.")
    if segments:
        said.append(f"Dashed lines part the segments; the number below each is the {by.name}.")
    return " ".join(said)


def _label(name: str, side: Side, segments: list[Segment], by: Weigher, sound: Sound | None) -> str:
    what = "spectrogram and evidence" if sound else "evidence"
    said = f"{name}, {side.duration_s:.1f} s: {what} along the recording."
    loud = [f"{seconds(each.start_s, each.end_s)}: {signed(by.weigh(each) or 0.0)}" for each in strongest(segments, by)]
    return f"{said} The strongest segments by {by.name}: {', '.join(loud)}." if loud else said


def _player(key: tuple[SideName, int], segments: list[Segment], sound: Sound, by: Weigher) -> Player:
    buttons = [
        Button(each.start_s, each.end_s, f"{seconds(each.start_s, each.end_s)}, {signed(by.weigh(each) or 0.0)}")
        for each in strongest(segments, by)
    ]
    return Player(f"{key[0]}-{key[1]}", sound.uri, buttons)


def _drawn(
    side: Side, segments: list[Segment], along: list[Step], sound: Sound | None, *, label: str, by: Weigher
) -> Markup:
    ends = [each.end_s for each in segments] + [step.end_s for step in along]
    scale = Scale(0.0, max([side.duration_s, *ends]))
    if not (sound or segments or along) or scale.high <= 0.0:
        return Markup("")
    drawn, y = [], 0.0
    if sound:
        drawn, y = [_picture(sound, scale)], float(PICTURE_PX)
    if along:
        drawn.append(_curve(along, scale, y=y + 4))
        y += CURVE_PX + 8
    borders = sorted({edge for each in segments for edge in (each.start_s, each.end_s)})
    drawn += [upright(scale, edge, y1=0, y2=y, look="border") for edge in borders]
    if segments:
        drawn.append(_strip(segments, scale, y=y, by=by))
        y += STRIP_PX + 2 * LABEL_PX + 4
    drawn += [level(y), axis(scale, height=y, unit=f"{NBSP}s", lines=False)]
    return canvas(*drawn, height=y + 20, label=label)


def _picture(sound: Sound, scale: Scale) -> Markup:
    image = element(
        "image",
        href=sound.picture,
        width=f"{scale.place(sound.duration_s):g}%",
        height=PICTURE_PX,
        preserveAspectRatio="none",
    )
    marks = [
        text(f"{hz / 1000:g}{NBSP}kHz", x=0, dx=3, y=12 + (1 - hz / sound.highest_hz) * (PICTURE_PX - 16), look="halo")
        for hz in (0.0, sound.highest_hz / 2, sound.highest_hz)
    ]
    return joined([image, *marks])


def _curve(along: Sequence[Step], scale: Scale, *, y: float) -> Markup:
    highest = max(abs(step.llr) for step in along)
    widths = np.array([step.end_s - step.start_s for step in along])
    widths = np.minimum(widths, WIDEST * np.median(widths))
    digits = decimals([highest])
    marks = [
        text(signed(highest, digits), x=0, dx=3, y=y + 11, look="halo"),
        text(signed(-highest, digits), x=0, dx=3, y=y + CURVE_PX - 3, look="halo"),
    ]
    shapes = []
    for colour, sign in ((FOR, 1), (AGAINST, -1)):
        outline = "".join(
            f"M{step.start_s:.3f} 0V{-step.llr / (highest or 1.0):.3f}h{width:.3f}V0z"
            for step, width in zip(along, widths, strict=True)
            if sign * step.llr > 0
        )
        shapes.append(element("path", d=outline, fill=colour))
    curve = stretched(*shapes, width=scale.high, low=-1.0, high=1.0, y=y, height=CURVE_PX)
    return joined([curve, level(y + CURVE_PX / 2, look="zero"), *marks])


def _strip(segments: Sequence[Segment], scale: Scale, *, y: float, by: Weigher) -> Markup:
    weights = [by.weigh(each) for each in segments]
    highest = max((abs(weight) for weight in weights if weight is not None), default=0.0) or 1.0
    digits = decimals([weight for weight in weights if weight is not None])
    drawn = []
    for number, (each, weight) in enumerate(zip(segments, weights, strict=True)):
        words = "" if weight is None else signed(weight, digits)
        look = {
            "fill": AGAINST if weight is not None and weight < 0 else FOR,
            "fill_opacity": f"{0.0 if weight is None else abs(weight) / highest:.2f}",
            "stroke": "#4c5866",
        }
        tip = f"{seconds(each.start_s, each.end_s)}: {words}"
        drawn.append(bar(scale, each.start_s, each.end_s, y=y + 1, height=STRIP_PX - 2, tip=tip, **look))
        below = y + STRIP_PX + LABEL_PX * (1 + number % 2) - 3
        drawn.append(text(words, x=scale.place((each.start_s + each.end_s) / 2), y=below, look="share"))
    return joined(drawn)
