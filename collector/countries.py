"""The country of an address, from a file that the collector's owner names, in MaxMind's format."""

import ipaddress
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from .errors import SettingsError

MAX_ADDRESSES = 8192  # that are remembered
LOOKED_AT = 1000  # records of a file, among which one must have a country


class Countries:
    """What a file knows. It is opened once: a newer one is used after the next start."""

    def __init__(self, file: Path) -> None:
        """Raises SettingsError if the file cannot be read, or has no countries."""
        import maxminddb  # which takes 20 ms, and nobody needs without a file

        try:
            self._reader = maxminddb.open_database(file)
            records = (record for _, record in islice(iter(self._reader), LOOKED_AT))
            is_found = any(country_of(record) for record in records)
        except OSError as error:
            raise SettingsError(f"countries: {file} cannot be read: {error.strerror}.") from error
        except (ValueError, maxminddb.InvalidDatabaseError) as error:
            raise SettingsError(
                f"countries: {file} is no file in MaxMind's format. Download it again."
            ) from error
        if not is_found:
            raise SettingsError(
                f"countries: {file} has no countries. Name a file of countries or cities."
            )
        self._errors = (ValueError, maxminddb.InvalidDatabaseError)
        self.built = int(self._reader.metadata().build_epoch)
        self.of = lru_cache(MAX_ADDRESSES)(self._find)

    def _find(self, address: str) -> str | None:
        """The country of an address, as in `GB`; None if it is not known, as of private addresses,
        and for what is no address."""
        try:
            ip = ipaddress.ip_address(address.strip().strip("[]"))
            if isinstance(ip, ipaddress.IPv6Address):
                ip = ip.ipv4_mapped or ip
            return country_of(self._reader.get(ip))
        except self._errors:  # also an IPv6 address where the file has none
            return None


def country_of(record: Any) -> str | None:
    """The two letters of a country in a file's record, whoever has written it."""
    if not isinstance(record, dict):
        return None
    country = record.get("country")
    code = country.get("iso_code") if isinstance(country, dict) else country
    code = code or record.get("country_code")
    if isinstance(code, str) and len(code) == 2 and code.isascii() and code.isalpha():
        return code.upper()
    return None
