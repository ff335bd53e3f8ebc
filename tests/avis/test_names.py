"""When two names are one: Unicode's own canonical equivalence is the reference, and columns agree with single names."""

import unicodedata

import numpy as np
import pyarrow as pa
import pytest

from avis.names import fold, name, names, number_text, shared, twins

PEOPLE = ("Hiếu", "Zoë", "Łukasz", "Åsa", "한글", "ガギグ", "नुक़्ता", "محمدٌ", "Ṩạ̈")
BLANKS = (" ", "\t", "\n", "\u00a0", "\u2003", "\u202f", "\u3000")
UNSEEN = ("\u200b", "\u200c", "\u200d", "\u200e", "\u2060", "\ufeff", "\u00ad", "\ufe0f")
LETTERS = [chr(code) for code in (*range(32, 127), *range(0xA0, 0x250), *range(0x300, 0x370), *range(0x1E00, 0x2070))]


def random_texts(num: int) -> list[str]:
    """Return texts of letters, marks that combine, blanks and format characters, in no order."""
    rng = np.random.default_rng(0)
    return ["".join(rng.choice(LETTERS, size=rng.integers(1, 12))) for _ in range(num)]


@pytest.mark.parametrize("person", PEOPLE)
def test_all_forms_of_a_name_are_one(person: str) -> None:
    composed, decomposed = (unicodedata.normalize(form, person) for form in ("NFC", "NFD"))
    halfway = decomposed[: len(decomposed) // 2] + unicodedata.normalize("NFC", decomposed[len(decomposed) // 2 :])
    for form in (composed, decomposed, halfway):
        for blank in BLANKS:
            for unseen in UNSEEN:
                written = f"{unseen}{blank}{form}{unseen}{blank}{blank}Lan {unseen}/{blank}s1{unseen}{blank}"
                assert name(written) == f"{composed} Lan/s1"


def test_forms_are_one_exactly_where_unicode_says_so() -> None:
    texts = [text for text in random_texts(400) if not set(text) & {*BLANKS, *UNSEEN} and text.isprintable()]
    texts += [unicodedata.normalize("NFD", text) for text in texts]
    plain = [text for text in texts if name(text) == unicodedata.normalize("NFC", text)]
    assert len(plain) > 300
    for one in plain[:80]:
        for other in plain:
            same = unicodedata.normalize("NFD", one) == unicodedata.normalize("NFD", other)
            assert (name(one) == name(other)) == same


def test_a_compared_name_is_compared_as_it_is() -> None:
    for text in random_texts(3000):
        assert name(name(text)) == name(text)
        assert fold(name(text)) == fold(text)


def test_names_of_plain_letters_are_left_alone() -> None:
    rng = np.random.default_rng(1)
    printable = [chr(code) for code in range(33, 127) if chr(code) != "/"]
    for _ in range(500):
        text = "/".join("".join(rng.choice(printable, size=6)) for _ in range(3))
        assert name(text) == text
    for text in (
        "NA",
        "None",
        "null",
        "nan",
        "NaN",
        "007",
        "0.5",
        "7.00",
        "v7.0",
        "s/7.0",
        "1e3",
        "12E5",
        "-",
        "-1",
        "1.",
    ):
        assert name(text) == text


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("Anna", "anna", True),
        ("Straße", "STRASSE", True),
        ("Anna", "Ａｎｎａ", True),  # noqa: RUF001
        ("office", "oﬃce", True),
        ("AnnaLee", "Anna Lee", True),
        ("José", "Jose", False),
        ("7", "007", False),
        ("a_b", "a-b", False),
        ("Жанна", "Жана", False),
    ],
)
def test_what_may_be_two_people_stays_two_names(one: str, other: str, alike: bool) -> None:
    assert name(one) != name(other)
    assert bool(twins([one, other])) == bool(shared([one], [other])) == alike


@pytest.mark.parametrize(
    "column",
    [
        pa.array([7, 1000, None, 0]),
        pa.array([7.0, 1e3, None, 0.0]),
        pa.array([7.0, 1e3, float("nan"), 0.0], pa.float32()),
        pa.array(["7.0", "1000.0", None, "0.0"]),
        pa.array(["7", "1000", "\u00a0", "0"]).dictionary_encode(),
        pa.array(["7.0", " 1000.0 ", "", "0"], pa.large_string()),
    ],
    ids=str,
)
def test_numbers_are_the_same_in_whatever_column(column: pa.Array) -> None:
    assert names(column, where="list").to_pylist() == ["7", "1000", None, "0"]
    assert names(pa.chunked_array([column, column]), where="list").to_pylist() == ["7", "1000", None, "0"] * 2


def test_a_column_is_compared_as_its_names_are() -> None:
    texts = [*random_texts(500), *PEOPLE, "7.0", "x", "", "NA"]
    assert names(pa.array(texts), where="list").to_pylist() == [name(text) or None for text in texts]


@pytest.mark.parametrize(
    "column", [pa.array([1e16, 1.0]), pa.array(["x", "1.23457E+11"]), pa.array(["9007199254740993.0"])], ids=str
)
def test_numbers_that_lost_digits_are_refused(column: pa.Array) -> None:
    with pytest.raises(ValueError, match=r"names are written out: got 1 numbers without their last digits.* At list, "):
        names(column, where="list")


def test_numbers_beyond_the_exact_ones_are_not_passed_off_as_whole() -> None:
    assert [number_text(value) for value in (2.0**53 - 1, 1e16, float("inf"))] == ["9007199254740991", "1e+16", "inf"]


@pytest.mark.parametrize(("kind", "first_rounded"), [(pa.float16(), 2**11), (pa.float32(), 2**24)])
def test_a_column_of_floats_that_may_have_rounded_names_is_refused(kind: pa.DataType, first_rounded: int):
    """From 2 to the number of bits of the fraction and one on, whole numbers are no longer told apart."""
    below = pa.array([float(first_rounded - 1), 7.0, None], pa.float64()).cast(kind)
    assert names(below, where="a list").to_pylist() == [str(first_rounded - 1), "7", None]
    with pytest.raises(ValueError, match="which rounds them"):
        names(pa.array([float(first_rounded)]).cast(kind), where="a list")
