"""Read back what an English text claims: numbers with what they are of, directions, sides, outcomes.

It knows the language, not the templates that wrote it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

N = r"(?:10\^-?\d+|\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]\d+)?)"
SIGNED = rf"[+-]?{N}"
AMOUNT = rf"(?:a factor of (?P<factor>{N})|(?P<score>{N}) of the score)"
PERCENT, LOWER, UPPER = (
    rf"(?P<{bound}>less than |more than )?(?P<{size}>{N}) %"
    for bound, size in (("bound", "size"), ("lower_bound", "lower"), ("upper_bound", "upper"))
)
AT_MOST = rf"(?:none|at most {PERCENT})"
PERSON, SPEAKER = "(?P<who>one person|two people)", "(?P<who>one speaker|two speakers)"

PATTERNS = {
    kind: re.compile(pattern)
    for kind, pattern in {
        "ratio": rf"(?P<size>hardly|{N} times) (?P<than>more|less) likely if {PERSON} spoke",
        "apart": rf"between (?P<one>{N}) for (?P<one_who>one person|two people) and "
        rf"(?P<other>{N}) for (?P<who>one|two)\b",
        "between": rf"between (?P<one>{N}) and (?P<other>{N})",
        "settled": r"as strong as the calibration bears out",
        "level": rf"(?P<size>{N}) % interval",
        "towards": rf"evidence speaks for {SPEAKER}",
        "bound": rf"none beyond (?P<size>{N}) for {SPEAKER}",
        "threshold": rf"your threshold of (?P<size>{N})",
        "capped": r"\bcapped\b",
        "start": rf"different people come to {AMOUNT} for {SPEAKER}, as a rule",
        "strongest": rf"(?P<rank>strongest|next) share for {SPEAKER} is {AMOUNT}",
        "weighs_most": rf"weighs most: {AMOUNT} for {SPEAKER}",
        "no_stretch": rf"[Nn]o stretch has a share for {SPEAKER}",
        "moved": rf"the evidence (?P<verb>falls|rises)(?P<most> most,)? by (?:{AMOUNT}|(?P<plain>{N}))",
        "removal": r"(?P<way>cut out|levelled to the mean spectrum|replaced by noise)\b",
        "largest": rf"share most: (?P<size>{SIGNED})",
        "sum": rf"add up to (?P<size>{SIGNED})",
        "residual": rf"differs from the log-likelihood ratio by (?P<size>{N})",
        "labelled": rf"(?P<label>a share of|Shapley value|integrated gradient|has evidence of) (?P<size>{SIGNED})",
        "logs": rf"log-likelihood ratio is (?P<one>{SIGNED}), the threshold (?P<other>{SIGNED})",
        "normalised": rf"Normalised by the cohort, the score is (?P<size>{SIGNED})",
        "score": rf"(?P<of>a score of|score is) (?P<size>{SIGNED})",
        "posterior": rf"probability that {PERSON} spoke is now {PERCENT}",
        "prior": rf"probability was {PERCENT} before",
        "misled": rf"by {PERSON}, {AT_MOST} had a ratio for (?P<other>one person|two people)",
        "as_far": rf"by {PERSON}, {AT_MOST} had a ratio as (?P<far>high as this or higher|low as this or lower)",
        "span": rf"[Ff]rom (?P<one>{N}) to (?P<other>{N}) (?P<unit>s|Hz)\b",
        "with_unit": rf"(?P<size>{SIGNED}) (?P<unit>s heard|s of speech|Hz|dBFS|dB)\b",
        "third": r"(?P<third>lower|middle|upper) third in the (?P<side>enrolment|test)",
        "higher": r"(?:higher in the (?P<side>enrolment|test)|alike in both)\b",
        "borne_out": rf"has something on (?P<one>{N}), and bears out (?P<other>{N})",
        "percentile": rf"\(above (?P<size>{N}) % of the population\)",
        "ends": rf": {LOWER} to {UPPER}",
        "sounds": rf"as do {PERCENT} of such voices",
        "right": rf"right for {PERCENT} of speakers",
        "by_chance": rf"by chance for {PERCENT}",
        "guessed": r"(?P<attribute>[Gg]ender|[Aa]ge|[Aa]ccent): (?=what|such|the\b)",
        "percent": PERCENT,
        "recording": rf"[Rr]ecording (?P<size>{N}) of",
        "count": rf"(?P<size>{N}) (?P<noun>speaker|voice|part|recording|statement)s?\b",
        "absent": r"(?P<absent>cannot be told exactly|not tried|not measured|is not known|is unclear|"
        r"nobody would be heard|[Nn]o likelihood ratio can be given)",
        "same": r"the same recording",
        "counted_in": r"in (?P<unit>natural-log likelihood ratios, positive for one speaker|the back-end's score)",
        "kind": r"\((?P<kind>a stretch of speech|a whole side|the model|normalisation|a quality measure|the offset|"
        r"rounding|the cap)\)",
        "outcome": r"(?P<outcome>[Ss]ame speaker|[Dd]ifferent speakers|[Uu]nsure|[Nn]ot heard)\b",
        "decision": r"\b(?P<decision>Accepted|Rejected)\b",
        "nearest": r"Nearest to the (?P<side>enrolment|test)\b",
        "side": r"[Tt]he (?P<side>enrolment|test)\b",
        "plain": rf"(?P<size>{SIGNED})",
    }.items()
}
"""By what is claimed: what comes first is read first, and what was read is not read again."""

UNREAD = re.compile(
    r"\d|\b(?:one|two) (?:person|people|speakers?)\b|\bfor (?:one|two)\b|\b(?:more|less) likely\b|\b(?:falls|rises)\b|"
    r"\b(?:[Aa]ccepted|[Rr]ejected|strongest|higher|lower|below|alike|(?:middle|upper) third)\b|"
    r"\b(?:[Ss]ame|[Dd]ifferent) speakers?\b|"
    r"\b(?:enrolment|[Tt]he test)\b"
)
"""Numbers and directions that no claim was read from."""

READ = "\0"


@dataclass(frozen=True)
class Claim:
    """Something that a text claims.

    Attributes
    ----------
    kind : str
        Of `PATTERNS`; ``name`` of what was given, ``unread`` of what is no claim.
    start : int
        Where in the text.
    said : str
    words : dict
        Its numbers and words, as written, by name.
    """

    kind: str
    start: int
    said: str
    words: dict[str, str | None]


def read(text: str, names: Iterable[str]) -> list[Claim]:
    """Return what a text claims, in the order in which it does.

    Parameters
    ----------
    text : str
    names : iterable of str
        What was given and is said as it was, in order, quotation marks and all: it is not read for claims.

    Examples
    --------
    >>> [(each.kind, each.words["size"]) for each in read('The voice "a 1" has 2.0 dB of 3.', ['"a 1"'])[1:]]
    [('with_unit', '2.0'), ('plain', '3')]
    """
    claims, begin = [], 0
    for name in names:
        start = text.find(name, begin)
        if start < 0:
            return [Claim("missing", begin, name, {})]
        begin = start + len(name)
        claims.append(Claim("name", start, name, {}))
        text = text[:start] + READ * len(name) + text[begin:]
    for kind, pattern in PATTERNS.items():
        for match in pattern.finditer(text):
            claims.append(Claim(kind, match.start(), match.group(), match.groupdict()))
            text = text[: match.start()] + READ * len(match.group()) + text[match.end() :]
    claims += [Claim("unread", match.start(), match.group(), {}) for match in UNREAD.finditer(text)]
    return sorted(claims, key=lambda claim: claim.start)
