"""Check the numbers that transforms are given."""


def check_range(low: float, high: float, *, name: str, unit: str, floor: float) -> None:
    """Raise unless ``floor <= low <= high``.

    Parameters
    ----------
    low, high : float
        Values of the keys ``min_<name>`` and ``max_<name>``.
    name : str
        Key without its ``min_`` or ``max_``.
    unit : str
        Of the values, for the message.
    floor : float
        Least value allowed.

    Raises
    ------
    ValueError
        When the range is empty or starts below the floor.
    """
    if not floor <= low <= high:
        raise ValueError(
            f"A range must not be empty: got min_{name}={low} {unit} and max_{name}={high} {unit}, expected "
            f"{floor} <= min_{name} <= max_{name}. At augment, keys min_{name} and max_{name}. Correct the two."
        )


def check_within(value: float, low: float, high: float, *, name: str, unit: str) -> None:
    """Raise unless ``low <= value <= high``.

    Parameters
    ----------
    value : float
        Value of the key ``name``.
    low, high : float
        Least and greatest value allowed.
    name : str
        The key.
    unit : str
        Of the value, for the message.

    Raises
    ------
    ValueError
        When the value lies outside.
    """
    if not low <= value <= high:
        raise ValueError(
            f"A value must lie in its range: got {name}={value} {unit}, expected {low} <= {name} <= {high}. "
            f"At augment, key {name}. Correct it."
        )
