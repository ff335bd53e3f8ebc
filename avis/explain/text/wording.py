"""All words of the text in English: another language is another such file.

Templates have named fields. `avis.explain.text.facts.compose` notes facts in the order of the fields, so a language may
put them in another order. `avis.explain.text.reread` reads the language back and goes with it.
"""

import math

from avis.acoustics import measure
from avis.explain.record import Unit
from avis.verifier import verdict

ENFSI_2015 = (
    (2.0, "weak support"),
    (10.0, "moderate support"),
    (100.0, "moderately strong support"),
    (1e3, "strong support"),
    (1e4, "very strong support"),
    (1e6, "extremely strong support"),
)
NEITHER = "no support for one view over the other"
SUPPORT = "{words} for {who}"

CAPPED_WORD, SAME, UNTOLD_WORD = "capped", "the same recording", "cannot be told exactly"
ABSENT, UNKNOWN, UNHEARD, UNMEASURED_WORD = "not tried", "is not known", "nobody would be heard", "not measured"
COMMA, SEMICOLON, AND = ", ", "; ", " and "
ONE, TWO = "one speaker", "two speakers"
FALLS, RISES = "falls", "rises"
THE_SIDE = {"enroll": "the enrolment", "test": "the test"}
ONE_OF_SEVERAL = "recording {recording} of {side}"
NAMED = "{side} ({name})"
STRETCH = "from {start} to {end} s of {side}"
WITH_UNIT = "{value} {unit}"

OUTCOMES = {"match": "same speaker", "no_match": "different speakers", "unsure": "unsure", "not_heard": "not heard"}
DECISIONS = {"match": "Accepted", "no_match": "Rejected"}
DECIDED = "{outcome}: the evidence is {evidence}. {decision} at your threshold of {threshold}."
UNDECIDED = (
    "{outcome}: the evidence is {evidence}, which leaves open on which side of your threshold of {threshold} it is."
)
UNCALIBRATED = "{outcome}: a score of {score}, which nothing was calibrated to tell the meaning of."
NOT_HEARD = "{outcome}: with {speech}, there is too little for an answer."
NOT_HEARD_AT_ALL = "{outcome}: there is too little speech for an answer."
SPEECH_IN = "{speech} s of speech in {side}"
OUTCOME = "{outcome}."
WITH_INTERVAL = "{evidence} ({interval})"
WITH_LEVEL = "{evidence} (95 % interval: {interval})"
CAPPED = "This ratio is {capped}: the calibration bears out none beyond {bound}."
BOUND = "{times} for {who}"

PROPOSITIONS = (
    "Proposition A: the person heard in the enrolment also speaks in the test. Proposition B: another person of the "
    "relevant population speaks in the test."
)
POPULATION = "The relevant population is that of the calibration: {speakers}."
POPULATION_UNKNOWN = "The relevant population is that of the calibration, of which the number of speakers {unknown}."
POPULATION_TO_JUDGE = "Whether it suits this case is for the examiner to judge."
RATIO = "The evidence is {evidence}."
NO_RATIO_UNHEARD = "{none}: with {speech}, there is too little to compare."
NO_RATIO_UNCALIBRATED = "{none}: nothing was calibrated to tell what the score means."
NO_RATIO = "no likelihood ratio can be given"
DIRECTION = "The evidence speaks for {who}."
VERBAL = "On the verbal scale, this is {verbal}."
POSTERIOR = (
    "If the probability was {prior} before, as you set it, the probability that one person spoke is now {posterior}."
)
RATIO_ONLY = "The ratio tells how strong the evidence is. How probable a proposition is depends on all else known, too."
MODEL = "The model is {model}."

START = (
    "Before any cap, different people come to {amount} for {who}, as a rule; what is otherwise here is added to that."
)
STRONGEST = "The strongest share for {who} is {amount}, {stretch}{removal}."
NEXT = "The next share for {who} is {amount}, {stretch}{removal}."
AND_REMOVED = "; with it {removal}, the evidence {change}"
NO_STRETCH = "{none} for {who}."
NO_STRETCH_HAS = "no stretch has a share"
UNTOLD = "Which stretches speak for which view {untold} here."
REMOVED_MOST = "With the stretch {stretch} {removal}, the evidence {change}."
REMOVALS = {"splice": "cut out", "mean": "levelled to the mean spectrum", "noise": "replaced by noise"}
CHANGE = "{verb} by {amount}"
CHANGE_MOST = "{verb} most, by {amount}"
SHARES = (
    "A share is a part of the final score, not what the score would lose without that stretch, since every stretch is "
    "heard in the context of the others."
)
WEIGHS_MOST = "Beside the speech, {part} weighs most: {amount} for {who}."
OTHERWISE = "Scored again ({change}), the outcome would be: {outcome}."

SCORE = "The back-end's score is {score}."
SCORE_NORM = "Normalised by the cohort, the score is {score}."
UNITS = {
    "llr": "Evidence is counted here in natural-log likelihood ratios, positive for one speaker.",
    "score": "Evidence is counted here in the back-end's score, since nothing is calibrated.",
}
LOG_RATIO = "The log-likelihood ratio is {llr}, the threshold {threshold}."
BARS = "The waterfall: {bars}."
BAR = "{part} ({kind}) {llr}"
KINDS = {
    "segment": "a stretch of speech",
    "voice": "a whole side",
    "model": "the model",
    "normalisation": "normalisation",
    "quality": "a quality measure",
    "offset": "the offset",
    "rounding": "rounding",
    "cap": "the cap",
}
ADDITIVE = "These {parts} add up to {sum}, which differs from the log-likelihood ratio by {residual}."
SEGMENT = "{stretch}: {details}."
SHARE_OF = "a share of {share}"
NO_SHARE = "a share that {untold}"
REMOVED = "{removal}, the evidence {change}"
SHAPLEY = "Shapley value {value}"
GRADIENT = "integrated gradient {value}"
FRAMES = "The exact share along time is kept for {recordings}."
NO_FRAMES = "The share along time {untold} here."
PAIR = "Of all pairs of {items}, {enroll} and {test} share most: {value}."
PAIR_ITEMS = {"evidence": "stretches", "windows": "windows"}
PAIRS_SUM = "With what is of no pair of {items}, {rest}, the pairs add up to {total}."
NO_PAIRS = {"evidence": "What pairs of stretches share {untold} here.", "windows": "Windows were {absent}."}
GAP = "Integrated gradients miss {gap} of the evidence."
GAP_LARGE = "Integrated gradients miss {gap} of the evidence, too much to rely on them."
BASELINE = "The mean spectrum that they start from has evidence of {baseline}."
NO_GAP = "Integrated gradients were {absent}."
BAND = "Levelled from {low} to {high} Hz of {side}, the evidence {change}."
NO_BANDS = "Bands of frequencies were {absent}."
COUNTERFACTUAL = "Scored again ({change}), {would}; outcome: {outcome}."
WOULD_BE = "the evidence would be {evidence}"
WOULD_SCORE = "it would be a score of {score}"
NO_COUNTERFACTUALS = "Changed recordings were {absent}."

NO_CAUSE = "What can be heard is observed beside the score; it is no cause of it."
ATTRIBUTES = {name: attribute.words for name, attribute in measure.ATTRIBUTES.items()}
ATTRIBUTE = "{name}: {enroll}, {test}."
MEASURED = "{value} in {side}"
MEASURED_AMONG = "{value} in {side} (above {percentile} % of the population)"
UNMEASURED = "{unmeasured} in {side}"
ATTRIBUTE_EVIDENCE = "{name}: two such values alone, measured in this population, are {evidence}."
NO_EVIDENCE = "What a voice sounds like is guessed by the model; a guess is no evidence, and in no score."
GUESS = "{attribute}: {side} sounds like {value}, as do {probability} of such voices (95 % interval: {ends})."
UNCLEAR = "{attribute}: what {side} sounds like {unclear}."
GUESSED_RIGHT = (
    "{attribute}: such a guess is right for {accuracy} of speakers that it was not fitted on (95 % interval: {ends}), "
    "by chance for {chance}."
)
GUESSED = {"gender": "gender", "age": "age", "accent": "accent"}
ENDS = "{lower} to {upper}"
UNCLEAR_WORD = "is unclear"
COMPARED = "{name} among voices: {enroll}, {test}, {relation}."
THIRDS = {"lower": "lower third in {side}", "middle": "middle third in {side}", "upper": "upper third in {side}"}
HIGHER, ALIKE = "higher in {side}", "alike in both"
COHORT = "The cohort holds {voices}."
NEAREST = "Nearest to {side}: {voices}."
NEIGHBOUR = "{voice} ({score})"
OVERLAP = "Among the nearest to both: {voices}."
RANK = (
    "Of the cohort's voices and the enrolled one, {rank} are at least as like the tested voice as the enrolled one is."
)

SIDE = "{side}: {details}."
DURATION = "{value} s heard"
SPEECH = "{value} s of speech"
QUALITY = {
    "snr_db": "speech {value} dB above the noise",
    "clip_ratio": "{value} of the samples at full scale",
    "rms_dbfs": "a level of {value} dBFS",
    "dc_offset": "a DC offset of {value}",
    "bandwidth_hz": "nothing above {value} Hz",
}
HEARD = "There are {speech}."
CALIBRATED_ON = "The calibration was fitted on {speakers}."
MISLEADING = (
    "Of the calibration's trials by one person, {targets} had a ratio for two people; of those by two people, "
    "{nontargets} had a ratio for one person."
)
AS_HIGH = "Of the calibration's trials by two people, {share} had a ratio as high as this or higher."
AS_LOW = "Of the calibration's trials by one person, {share} had a ratio as low as this or lower."
FITTED = "The calibration was fitted on these very trials, so new ones may fare worse."
AT_MOST, NONE = "at most {share}", "none"
LITTLE_SPEECH = "There is little to compare: {speech} s of speech in {side}."
CLIPPED = "{share} of the samples are at full scale in {side}."
UNLIKE_NOISE = "The sides differ in noise: the speech is {one} dB above it in {side}, {other} dB in {other_side}."
UNLIKE_BAND = "The sides differ in bandwidth: nothing is above {one} Hz in {side}, above {other} Hz in {other_side}."
SAME_RECORDING = "{side} and {other_side} are {same}."
GENERATED = (
    "{text} Of its {statements} the record has something on {checked}, and bears out {borne_out}. Of voices that the "
    "model was not trained on, {precision} of what it said was borne out; of what is said most often, {baseline}."
)
VALIDITY = (
    "The ratio holds for recordings like those of the calibration. Other languages, rooms or channels may shift it."
)

HEADINGS = {
    "result": "",
    "causal": "What moved the score",
    "observed": "What can be heard",
    "quality": "How far to trust it",
    "generated": "Generated by a model, not checked to be true",
}

MOST_SPELT = 1e6
LEAST_SHARE = 1e-8


def number(value: float, decimals: int) -> str:
    """Say a number to so many decimals, a large one by its power of ten.

    >>> number(1234.567, 2), number(-0.05, 1), number(5e9, 1)
    ('1,234.57', '-0.1', '5.00e+09')
    """
    value = value if round(value, decimals) else 0.0  # without a minus
    return f"{value:,.{decimals}f}" if abs(value) < MOST_SPELT else f"{value:.2e}"


def figures(value: float) -> str:
    """Say a number to about three figures.

    >>> figures(0.0123), figures(3.14159), figures(117.8), figures(0.0)
    ('0.0123', '3.14', '118', '0')
    """
    size = math.floor(math.log10(abs(value))) if value else 2
    return number(value, min(max(0, 2 - size), 12))


def signed(value: float, unit: Unit) -> str:
    """Say evidence with its sign, in log-likelihood ratios to two decimals, in scores to three.

    >>> signed(1.254, "llr"), signed(-0.1, "score")
    ('+1.25', '-0.100')
    """
    return ("-" if value < 0 else "+") + plain(value, unit)


def plain(value: float, unit: Unit) -> str:
    """Say how large evidence is, as `signed` does without sign."""
    return number(abs(value), 2 if unit == "llr" else 3)


def amount(value: float, unit: Unit) -> str:
    """Say how large evidence is to someone who does not think in logarithms.

    >>> amount(-1.25, "llr"), amount(0.12, "score")
    ('a factor of 3.5', '0.120 of the score')
    """
    return f"a factor of {verdict.times(abs(value))}" if unit == "llr" else f"{plain(value, unit)} of the score"


def evidence(llr: float) -> str:
    """Say what a ratio means, as a verdict does.

    >>> evidence(math.log(853)), evidence(-0.01)
    ('850 times more likely if one person spoke', 'hardly more likely if two people spoke')
    """
    said = verdict.evidence(llr)
    return said.replace("1 times", "hardly", 1) if said.startswith("1 times") else said


def percent(share: float) -> str:
    """Say a share in percent, to two digits of it or of what is missing from all.

    >>> percent(0.0231), percent(0.5), percent(0.9996), percent(0.0), percent(1 - 1e-12), percent(2.5)
    ('2.3 %', '50 %', '99.960 %', '0 %', 'more than 99.999999 %', '250 %')
    """
    distance = min(share, 1.0 - share)
    if distance <= 0.0:
        return f"{number(100 * share, 0)} %"
    if distance < LEAST_SHARE:
        return "less than 0.000001 %" if share < 0.5 else "more than 99.999999 %"
    return f"{100 * share:.{max(0, 1 - math.floor(math.log10(100 * distance)))}f} %"


def residual(value: float) -> str:
    """Say how far off a sum is, such as 2.1e-07."""
    return f"{value:.1e}"


def quality(name: str, value: float) -> str:
    """Say a measure of `avis.audio.quality.measure`.

    >>> quality("clip_ratio", 0.012), quality("dc_offset", -0.0012), quality("bandwidth_hz", 7890.6)
    ('1.2 %', '-0.0012', '7,891')
    """
    return percent(value) if name == "clip_ratio" else number(value, {"dc_offset": 4, "bandwidth_hz": 0}.get(name, 1))


def counted(num: int, noun: str) -> str:
    """Say a number with what it counts.

    >>> counted(1, SPEAKER), counted(1234, VOICE)
    ('1 speaker', '1,234 voices')
    """
    return f"{num:,} {noun}{'s' * (num != 1)}"


SPEAKER, VOICE, PART, RECORDING, STATEMENT = "speaker", "voice", "part", "recording", "statement"


def quoted(name: str) -> str:
    """Set a name that was given apart from the text."""
    return f'"{name}"'


def begun(text: str) -> str:
    """Begin as a sentence does."""
    return text[:1].upper() + text[1:]


def ended(text: str) -> str:
    """End as a sentence does."""
    return text if text.endswith((".", "!", "?")) else f"{text}."
