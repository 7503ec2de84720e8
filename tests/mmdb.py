"""Writes tiny MaxMind files: networks, and what is known of each.
The format: https://maxmind.github.io/MaxMind-DB/"""

import ipaddress
from pathlib import Path
from typing import Any

MARK = b"\xab\xcd\xefMaxMind.com"
TEXT, U16, U32, MAP, U64, ARRAY = 2, 5, 6, 7, 9, 11


def _field(kind: int, size: int) -> bytes:
    first = kind << 5 if kind < 8 else 0
    more = bytes([kind - 7]) if kind > 7 else b""
    return (
        bytes([first | size]) + more
        if size < 29
        else bytes([first | 29]) + more + bytes([size - 29])
    )


def _encode(value: Any, kind: int = U32) -> bytes:
    if isinstance(value, str):
        return _field(TEXT, len(value.encode())) + value.encode()
    if isinstance(value, dict):
        parts = (_encode(key) + _encode(one, _KINDS.get(key, U32)) for key, one in value.items())
        return _field(MAP, len(value)) + b"".join(parts)
    if isinstance(value, list):
        return _field(ARRAY, len(value)) + b"".join(_encode(one) for one in value)
    digits = int(value).to_bytes((int(value).bit_length() + 7) // 8, "big")
    return _field(kind, len(digits)) + digits


_KINDS = {
    "build_epoch": U64,
    "binary_format_major_version": U16,
    "binary_format_minor_version": U16,
    "ip_version": U16,
    "record_size": U16,
}


def write_mmdb(file: Path, networks: dict[str, Any]) -> Path:
    """A file for IPv4 and IPv6. `networks`: as in `81.2.69.0/24`, with what is found for each."""
    nodes: list[list[tuple[str, int] | None]] = [[None, None]]
    data = b""
    for network, record in networks.items():
        parsed = ipaddress.ip_network(network)
        is_old = parsed.version == 4
        bits = f"{int(parsed.network_address):0128b}"[: parsed.prefixlen + 96 * is_old]
        at = 0
        for bit in bits[:-1]:
            found = nodes[at][int(bit)]
            if found is None:
                nodes.append([None, None])
                found = nodes[at][int(bit)] = ("node", len(nodes) - 1)
            at = found[1]
        nodes[at][int(bits[-1])] = ("data", len(data))
        data += _encode(record)
    tree = b""
    for node in nodes:
        for found in node:
            value = len(nodes)  # nothing
            if found:
                value = found[1] if found[0] == "node" else len(nodes) + 16 + found[1]
            tree += value.to_bytes(3, "big")
    about = {
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": 1_795_000_000,
        "database_type": "Test-Country",
        "description": {"en": "A test's"},
        "ip_version": 6,
        "languages": ["en"],
        "node_count": len(nodes),
        "record_size": 24,
    }
    file.write_bytes(tree + bytes(16) + data + MARK + _encode(about))
    return file
