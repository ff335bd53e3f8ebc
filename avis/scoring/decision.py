"""Where decisions are made: `avis.metrics.operating_point.OperatingPoint`."""

from avis.metrics.operating_point import OperatingPoint as OperatingPoint
