"""Operating points of the published evaluations, by the name of the protocol."""

from avis.metrics.dcf import OperatingPoint

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

SRE18 and SRE19 are their telephone parts (CTS), SRE10 its core condition. NIST weights trials so that parts of a list
count alike; that is not done here.

References: the plans of the NIST Speaker Recognition Evaluations 2008 to 2021; VoxSRC 2020 to 2023.
"""
