"""Score files of other toolkits are told from their content, or one error says why not."""

import pytest

from avis.evaluation.score_lines import text_scores

SIDES = {"enroll": ["a/1.wav", "b"], "test": ["a/2.wav", "c"]}
ANSWERS = {"target": [True, False]}
SCORES = {"score": [0.5, -1.25]}


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        pytest.param("1 0.5\n0 -1.25\n", ANSWERS | SCORES, id="label first"),
        pytest.param("0.5 target\n-1.25 nontarget\n", ANSWERS | SCORES, id="kaldi's compute-eer"),
        pytest.param("1 1\n0.5 0\n", {"score": [1.0, 0.5]} | ANSWERS, id="the other lines decide"),
        pytest.param("a/1.wav a/2.wav 1 0.500000\nb c 0 -1.250000\n", SIDES | ANSWERS | SCORES, id="speechbrain"),
        pytest.param(
            "a/1.wav a/2.wav 0.50000 target\nb c -1.25000 nontarget\n", SIDES | ANSWERS | SCORES, id="wespeaker"
        ),
        pytest.param("a/1.wav a/2.wav +5e-1\nb c -1.25\n", SIDES | SCORES, id="kaldi's scores"),
        pytest.param("0.5 a/1.wav a/2.wav\n-1.25 b c\n", SIDES | SCORES, id="voxsrc"),
        pytest.param(
            "enroll,test,score,target\na/1.wav,a/2.wav,0.5,1\nb,c,-1.25,0\n", SIDES | ANSWERS | SCORES, id="csv"
        ),
        pytest.param(
            "Probe,Enrolment,Label,Cosine\na/2.wav,a/1.wav,1,0.5\nc,b,0,-1.25\n", SIDES | ANSWERS | SCORES, id="words"
        ),
        pytest.param("score label\n0.5 target\n-1.25 nontarget\n", ANSWERS | SCORES, id="a header between blanks"),
        pytest.param(
            "modelid\tsegmentid\tside\tLLR\na/1.wav\ta/2.wav\ta\t0.5\nb\tc\ta\t-1.25\n",
            SIDES | {"side": ["a", "a"], "llr": [0.5, -1.25]},
            id="nist",
        ),
        pytest.param(
            "enroll,test,score,label\na/1.wav,a/2.wav,0.5,\nb,c,,0\n",
            SIDES | {"score": [0.5, None], "target": [None, False]},
            id="gaps",
        ),
    ],
)
def test_formats_are_told_from_their_content(content: str, columns: dict[str, list]):
    found = text_scores(content.encode(), "x").to_pydict()
    assert found == {"target": [None, None]} | columns


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1 0\n0 1\n", r"got '1 0', which may be '<label> <score>' or '<score> <label>'.*At x line 1\. Write"),
        ("a b 1 1\nc d 0 0\n", r"got 'a b 1 1', which may be '<enroll> <test> <label> <score>' or "),
        ("7 8 0.5\n7 9 0.25\n", r"got '7 8 0\.5', which may be '<enroll> <test> <score>' or '<score> <enroll> <test>'"),
        ("1 a b\n0 c d\n", r"got 0 and 1 alone in 2 lines.*give it as trials=<list>"),
        ("a b target\n", r"format of a score file must be known: got 'a b target'.*SpeechBrain.*At x line 1\."),
        ("a,b,0.5,target\n", r"must be known: got 'a,b,0\.5,target'.*with columns enroll, test, score, target"),
        ("enroll,test,target\na,b,1\n", r"got columns=\['enroll', 'test', 'target'\], expected score or LLR"),
        ("a b 0.5 target\n\nc d 0.5 maybe\n", r"got target='maybe'.*At x line 3\."),
        ("a b 1 0.5\nc d 0 0,5\n", r"got score='0,5'.*At x line 2\."),
        ("enroll,test,score\na,b,0.5\nc,d,high\n", r"got score='high'.*At x line 3\."),
        ("score,similarity,label,key\n", r"one way: got columns=\['score', 's.*expected one target"),
        ("a b 1 0.5\n0.5 1\n", r"has 4 words: got '0\.5 1'.*At x line 2\."),
    ],
)  # fmt: skip
def test_what_is_ambiguous_or_malformed_names_its_line(content: str, message: str):
    with pytest.raises(ValueError, match=message):
        text_scores(content.encode(), "x")
