"""The card of a verifier: what it was made of, how well it does, and what is not known of it."""

from collections.abc import Mapping
from typing import Any

from avis.metrics.operating_point import OperatingPoint
from avis.verifier.attributes.kept import Heads
from avis.verifier.voices import Voices

USE = """    from avis.verifier import Verifier

    print(Verifier.load("<this folder>").verify("a.wav", "b.wav"))

or `avis verify a.wav b.wav --model <this folder>`."""


def card(
    config: Mapping[str, Any],
    calibrated: Mapping[str, Any] | None,
    voices: Voices | None,
    attributes: Heads | None,
) -> str:
    """Return the card as Markdown.

    Parameters
    ----------
    config : mapping
        See `avis.verifier.folder.Parts.config`.
    calibrated : mapping or None
        See `avis.scoring.calibration.Calibration.facts`.
    voices : Voices or None
        Speakers of the training that the folder holds.
    attributes : Heads or None
        What guesses attributes of speakers.
    """
    model, front_end = (config[key]["_target_"].rpartition(".")[2] for key in ("model", "front_end"))
    sections = [
        "# Speaker verifier",
        f"{model} on {front_end}, of checkpoint {config['checkpoint'][:12]}. Recordings are taken in at "
        f"{config['hearing']['sample_rate']} Hz.",
        "## Use",
        USE,
        "## Trained on",
        config["trained_on"],
        *([_personal(len(voices.names))] if voices else []),
        "## Error rates",
        *(_figures(config["figures"]) or ["None were measured."]),
        "## Decisions",
        _decisions(config, calibrated),
        *(["## Guesses about speakers", *_guesses(attributes)] if attributes else []),
        "## Limits",
        "Error rates and ratios hold for recordings like those that they were measured on: other languages, "
        "microphones, distances or ages may fare otherwise, and nothing here tells a voice from its copy.",
    ]
    return "\n\n".join(sections) + "\n"


def _personal(num_voices: int) -> str:
    return (
        f"This folder holds the names and mean embeddings of {num_voices} of these speakers, with which other voices "
        "are compared in explanations: personal data. Before the folder goes to anybody who must not have them, delete "
        "`voices.npz` and its line in `config.json`; decisions stay as they are."
    )


def _guesses(heads: Heads) -> list[str]:
    rows = []
    for head in heads:
        classes = ", ".join(f"{value} ({num})" for value, num in zip(head.classes, head.num_speakers, strict=True))
        lower, upper = (100 * end for end in head.accuracy_interval)
        within = f"{100 * head.accuracy:.0f} [{lower:.0f}, {upper:.0f}]"
        rows.append(f"| {head.attribute} | {classes.replace('|', '/')} | {within} | {100 * head.chance:.0f} |")
    columns = "| attribute | guessed among (speakers) | right, % [95 % interval over speakers] | by chance, % |"
    return [
        "\n".join([columns, "| --- | --- | --- | --- |", *rows]),
        "Explanations tell what a voice sounds like, by its embedding: guesses, wrong of some, for no decision and no "
        "part of any score. How often they are right was found on speakers of the training who were held out of the "
        "guessing, but not of the model. A guess about a person is personal data, as is what the guesses were fitted "
        "on. Whoever must not have them: delete `attributes.npz` and its line in `config.json`.",
    ]


def _figures(figures: Mapping[str, Any]) -> list[str]:
    rows = []
    for name, each in figures.items():
        interval, trials = each["eer_interval"], f"{each['num_target']}, {each['num_nontarget']}"
        within = f" [{100 * interval[0]:.2f}, {100 * interval[1]:.2f}]" if interval else ""
        rows.append(f"| {name} | {100 * each['eer']:.2f}{within} | {trials} |")
    head = ["| list | EER, % [95 % interval over speakers] | trials (target, non-target) |", "| --- | --- | --- |"]
    return ["\n".join([*head, *rows])] if rows else []


def _decisions(config: Mapping[str, Any], calibrated: Mapping[str, Any] | None) -> str:
    if calibrated is None:
        return "Not calibrated: there are scores, but no likelihood ratios, and every decision is `unsure`."
    point = OperatingPoint(**config["operating_point"])
    speakers = calibrated["num_speakers"]
    return (
        f"Calibrated on {'trials of unknown speakers' if speakers is None else f'{speakers} speakers'} "
        f"({calibrated['num_target']} target, {calibrated['num_nontarget']} non-target trials): log-likelihood ratios "
        f"are kept between {calibrated['lower']:.2f} and {calibrated['upper']:.2f}, beyond which these bear none out. "
        f"Accepted is at {point.threshold:.2f} and above (p_target {point.p_target:g}, c_miss {point.c_miss:g}, "
        f"c_fa {point.c_fa:g}), and `unsure` where the interval of a ratio holds that threshold"
        f"{'' if calibrated['lower'] < point.threshold < calibrated['upper'] else ', which here is always'}."
        f"{' ' + config['calibrated_on'] if config['calibrated_on'] else ''}"
    )
