"""Operating points of the published evaluations, by the name of the protocol."""

from avis.metrics.operating_point import OperatingPoint

PROTOCOLS: dict[str, tuple[OperatingPoint, ...]] = {
    "SRE08": (OperatingPoint(0.01, c_miss=10.0),),
    "SRE10": (OperatingPoint(0.001),),
    "SRE12": (OperatingPoint(0.01), OperatingPoint(0.001)),
    "SRE16": (OperatingPoint(0.01), OperatingPoint(0.005)),
    "SRE18": (OperatingPoint(0.01), OperatingPoint(0.005)),
    "SRE18-VAST": (OperatingPoint(0.05),),
    "SRE19": (OperatingPoint(0.01), OperatingPoint(0.005)),
    "SRE19-AV": (OperatingPoint(0.05),),
    "SRE20": (OperatingPoint(0.05),),
    "SRE21": (OperatingPoint(0.01), OperatingPoint(0.05)),
    "VoxSRC": (OperatingPoint(0.05),),
    "VoxCeleb-0.01": (OperatingPoint(0.01),),
    "VoxCeleb-0.05": (OperatingPoint(0.05),),
}
"""A protocol of several operating points states the mean of their costs, each at its own threshold.

SRE18 and SRE19 are their telephone parts (CTS), SRE10 its core condition.

References: the plans of the NIST Speaker Recognition Evaluations 2008 to 2021; VoxSRC 2020 to 2023.
"""

_CALLS = {"gender": (), "num_enroll_segs": ("1", "3"), "phone_num_match": ("y", "n")}
_CALL_MY_NET_2 = {**_CALLS, "source_type": ("pstn", "voip")}

PARTITIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "SRE16": {**_CALLS, "language": ()},
    "SRE18": _CALL_MY_NET_2,
    "SRE19": _CALL_MY_NET_2,
    "SRE21": {**_CALLS, "source_type_match": ("y", "n"), "language_match": ("y", "n")},
}
"""Conditions by which a protocol parts its list, so that parts count alike whatever their size, and their values.

They are columns of the key, and every combination of values (in lower case here) is a part; where no values are named,
any known one will do. See `avis.metrics.equalised`.

References: the plan of SRE16, section 3.1; the scoring software of SRE18, whose data are those of SRE19. Of SRE21 these
are the conditions in its key.
"""
