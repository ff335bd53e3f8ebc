"""What is said of a whole list: all of it as JSON, the most of it in lines."""

import json

import numpy as np

from avis.explain.corpus.averages import Mean
from avis.explain.corpus.mismatch import regress
from avis.explain.corpus.summary import Corpus, as_facts, as_json
from avis.explain.corpus.zoo import zoo
from avis.explain.faithfulness.statistics import Ordered, of_orders
from avis.explain.record import Order
from avis.metrics.bootstrap import Resampling

ORDERS = [
    Order(by="share", deletion=-2, insertion=0),
    Order(by="energy", deletion=-2, insertion=0),
    Order(by="random", deletion=-1, insertion=-1, deletion_sd=0.5, insertion_sd=0.5),
]


def corpus() -> Corpus:
    rng = np.random.default_rng(0)
    speakers = np.repeat(["a", "b", "c"], 30)
    accept = np.r_[np.arange(30) >= 12, np.ones(60, bool)]
    unlike = {"SNR, dB": rng.uniform(0, 9, 50)}
    found = regress(unlike, 3 - 0.25 * unlike["SNR, dB"], np.arange(100).reshape(50, 2))
    means = {
        "at 8 kHz": {"nontarget": Mean(-0.5, -0.6, -0.4, 9, 9)},
        "quiet": {"nontarget": Mean(1.0, None, None, 2, 2)},
    }
    return Corpus(
        decided="at 0.5000, where both error rates are equal",
        zoo=zoo(accept, np.ones(90, bool), speakers, speakers),
        mismatch={"target": found, "nontarget": regress({}, np.zeros(0), np.zeros((0, 2), int))},
        averages={"segments": {}, "bands": {}, "conditions": means},
        orders=of_orders([Ordered("a", "a", ORDERS), Ordered("b", "b", ORDERS)], Resampling(100, 0.95, 0)),
        notes={"acoustics": "not said"},
    )


def test_it_is_plain_data():
    told = json.loads(json.dumps(as_json(corpus()), allow_nan=False))
    assert told["zoo"]["goats"][0]["speaker"] == "a"
    assert told["zoo"]["fmr"] is None
    assert told["mismatch"]["target"]["weights"]["SNR, dB"]["weight"].__round__(6) == -0.25
    assert told["mismatch"]["nontarget"] == {"left_out": {"all": "nothing differs"}, "num_unknown": 0, "weights": {}}
    assert told["averages"]["conditions"]["at 8 kHz"]["nontarget"]["num_trials"] == 9
    assert [(each["by"], each["no_better_than"]) for each in told["orders"]] == [
        ("share", ["energy"]),
        ("energy", []),
    ]


def test_a_reason_that_is_no_better_than_loudness_says_so():
    assert as_facts(corpus(), decides=True)["Order by shares"] == (
        "taking away is +2.00 [+2.00, +2.00] deviations better than chance, over 2 trials; no better than the loudest "
        "first"
    )


def test_lines_name_the_worst_and_the_strongest():
    facts = as_facts(corpus(), decides=True)
    assert facts["Goats, rejected as themselves"].startswith("a 40% (12 of 30 trials, beyond chance); 1 of 3 speakers")
    assert facts["Lambs, whom others pass for"] == "none of 0 speakers"
    assert facts["Scores where recordings are unlike, one speaker"].startswith(
        "-0.25 per dB of SNR [-0.25, -0.25]; 50 tr"
    )
    assert facts["Changes that would help most, two speakers"] == "at 8 kHz: -0.50 [-0.60, -0.40]; quiet: +1.00"
    assert facts["Acoustics"] == "not said"


def test_an_examiner_is_told_of_no_decisions() -> None:
    decided = as_facts(corpus(), decides=True).keys() - as_facts(corpus(), decides=False).keys()
    assert "Decided" in decided
    assert {name for name in decided if name.startswith(("Goats", "Lambs", "Wolves"))} == decided - {"Decided"}
