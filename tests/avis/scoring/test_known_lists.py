import pyarrow as pa
import pytest

from avis.scoring.known_lists import KNOWN_LISTS, recognise


def counted(num_target: int, num_nontarget: int, num_unknown: int = 0) -> pa.Table:
    return pa.table({"target": [True] * num_target + [False] * num_nontarget + [None] * num_unknown})


def test_the_counts_are_those_of_the_published_lists() -> None:
    """Trials per list as the VoxCeleb site and the papers state them."""
    assert {known.name: known.num_target + known.num_nontarget for known in KNOWN_LISTS} == {
        "VoxCeleb1-O": 37_720,
        "VoxCeleb1-O (cleaned)": 37_611,
        "VoxCeleb1-E": 581_480,
        "VoxCeleb1-E (cleaned)": 579_818,
        "VoxCeleb1-H": 552_536,
        "VoxCeleb1-H (cleaned)": 550_894,
        "CN-Celeb.E, CNC-Eval-Avg": 3_484_292,
        "CN-Celeb.E, CNC-Eval-Concat": 3_484_292,
    }


def test_no_two_lists_are_taken_for_each_other() -> None:
    sums = [known.md5 for known in KNOWN_LISTS if known.md5 is not None]
    assert len(set(sums)) == len(sums) == 6
    assert all(len(md5) == 32 and set(md5) <= set("0123456789abcdef") for md5 in sums)
    assert len({known[2:] for known in KNOWN_LISTS}) == len(KNOWN_LISTS)


@pytest.mark.parametrize("known", KNOWN_LISTS[:2])
def test_a_checksum_is_certain_and_counts_are_not(known) -> None:
    table = counted(known.num_target, known.num_nontarget)
    assert recognise(table, md5=known.md5) == (known.name, "checksum")
    assert recognise(table, md5="0" * 32) == (known.name, "counts")
    assert recognise(table, md5=None) == (known.name, "counts")


def test_enrolment_models_make_another_list() -> None:
    """CN-Celeb.E's trials are scored against means of the enrolled files, or against the joined ones."""
    table = counted(17_755, 3_466_537)
    assert recognise(table, md5=None, models=True).name == "CN-Celeb.E, CNC-Eval-Avg"
    assert recognise(table, md5=None).name == "CN-Celeb.E, CNC-Eval-Concat"


def test_other_lists_are_unknown() -> None:
    assert recognise(counted(18_802, 18_808), md5=None) == (None, None)
    assert recognise(counted(0, 0, 37_611), md5="0" * 32) == (None, None)
