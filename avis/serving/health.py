"""Ask the service of this container whether it is well, as HEALTHCHECK in cluster/Dockerfile does: ends with 0, else 1.

Where it listens stands in the command line of the container's first process.
"""

import ipaddress
import ssl
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

FIRST_PROCESS = Path("/proc/1/cmdline")
HOST, PORT = "127.0.0.1", "8000"
"""As of `avis.serving.settings.Settings`, whose import takes ten times as long as all of this."""
WITHIN_S = 8.0
"""A little less than what HEALTHCHECK gives."""


def url_of(arguments: Sequence[str]) -> str:
    """Return what a service that was started so is asked at.

    Parameters
    ----------
    arguments : sequence of str
        ``<key>=<value>`` among whatever else; the last of a key counts, as for Hydra.

    Examples
    --------
    >>> url_of(["avis", "serve", "verifier=/model", "host=0.0.0.0"])
    'http://127.0.0.1:8000/readyz'
    >>> url_of(["avis", "serve", "host=::", "port=8443", "tls.certificate=/tls/cert.pem", "tls.key=/tls/key.pem"])
    'https://[::1]:8443/readyz'
    """
    given = {key.lstrip("+"): value.strip("'\"") for key, _, value in (each.partition("=") for each in arguments)}
    scheme = "http" if given.get("tls.key", "null") == "null" else "https"
    return f"{scheme}://{_reached_at(given.get('host', HOST))}:{given.get('port', PORT)}/readyz"


def _reached_at(host: str) -> str:
    """Return the address, as URLs have it, at which this machine reaches what listens at a host."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        address = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
    return f"[{address}]" if address.version == 6 else str(address)


def is_well(url: str) -> bool:
    """Return whether a service answers that it is ready; whose certificate it has is no matter here."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusting))
    try:
        with direct.open(url, timeout=WITHIN_S) as answer:
            return bool(answer.status == 200)
    except OSError as error:
        print(f"{url}: {error}", file=sys.stderr)
        return False


def main() -> NoReturn:
    """Ask the service of this container, and end."""
    sys.exit(not is_well(url_of(FIRST_PROCESS.read_text().split("\0"))))


if __name__ == "__main__":
    main()
