"""Figures of the service for Prometheus, of one replica of the ingress."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Measures:
    """What is counted.

    Parameters
    ----------
    replica : str
        Told beside each figure, since whoever asks gets those of one replica.
    """

    def __init__(self, replica: str) -> None:
        self._registry = kept = CollectorRegistry()
        self._requests = Counter("avis_requests", "Requests.", ["replica", "route", "status"], registry=kept)
        self._seconds = Histogram(
            "avis_request_seconds", "From request to answer.", ["replica", "route"], buckets=BUCKETS_S, registry=kept
        )
        self._decisions = Counter("avis_decisions", "Decisions.", ["replica", "action", "outcome"], registry=kept)
        self.in_flight = Gauge("avis_requests_in_flight", "Requests at once.", ["replica"], registry=kept).labels(
            replica
        )
        self.streams = Gauge("avis_streams", "Streams at once.", ["replica"], registry=kept).labels(replica)
        self._replica = replica

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(self._replica, route, str(status)).inc()
        self._seconds.labels(self._replica, route).observe(seconds)

    def decided(self, action: str, outcome: str) -> None:
        """Count a decision."""
        self._decisions.labels(self._replica, action, outcome).inc()

    def text(self) -> bytes:
        """Return all figures as Prometheus reads them."""
        return generate_latest(self._registry)
