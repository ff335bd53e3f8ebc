"""Whether a number as printed is that of the record, to the digits printed."""

import math

LEAST_SHARE = 1e-8
BEYOND = {"less than ": "0.000001", "more than ": "99.999999"}
"""What is said, in percent, of shares that are less than the least, or miss less."""

SLACK = 1 + 1e-9
"""Halves may have been rounded either way."""


def agrees(printed: str, value: float) -> bool:
    """Tell whether a printed number is a value rounded.

    >>> agrees("1,234.6", 1234.56), agrees("1.2", 1.26), agrees("5.00e+09", 5.004e9), agrees("-0.0", 0.01)
    (True, False, True, False)
    """
    if value and printed[0] in "+-" and (printed[0] == "-") != (value < 0):
        return False
    mantissa, _, exponent = printed.replace(",", "").partition("e")
    decimals = len(mantissa.partition(".")[2])
    half = 0.5 * 10.0 ** (int(exponent or 0) - decimals)
    return abs(float(f"{mantissa}e{exponent or 0}") - value) <= half * SLACK + 1e-12 * abs(value)


def agrees_as_ratio(printed: str, llr: float) -> bool:
    """Tell whether a printed ratio is that of a log-likelihood ratio, in two digits or as a power of ten.

    >>> agrees_as_ratio("850", math.log(853)), agrees_as_ratio("860", math.log(853)), agrees_as_ratio("10^434", 1000.0)
    (True, False, True)
    """
    if printed.startswith("10^"):
        return abs(llr / math.log(10) - int(printed[3:])) <= 0.5 * SLACK
    if abs(llr) > math.log(1e16):
        return False
    ratio = math.exp(llr)
    half = 0.5 * 10.0 ** (math.floor(math.log10(ratio)) - 1)
    digits = printed.replace(",", "").replace(".", "").strip("0")
    return len(digits) <= 2 and abs(float(printed.replace(",", "")) - ratio) <= half * SLACK


def agrees_in_percent(printed: str, bound: str | None, share: float) -> bool:
    """Tell whether a percentage is that of a share, or the bound that it is beyond.

    >>> agrees_in_percent("2.3", None, 0.0231), agrees_in_percent("99.999999", "more than ", 1 - 1e-9)
    (True, True)
    """
    if bound is None:
        return agrees(printed, 100 * share) and (printed not in ("0", "100") or not 0.0 < share < 1.0)
    missing = share if bound == "less than " else 1 - share
    return printed == BEYOND[bound] and 0.0 < missing < LEAST_SHARE
