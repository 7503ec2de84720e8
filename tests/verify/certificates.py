"""Certificates for the names of the tests, made when they are needed: good and bad ones."""

import subprocess
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def make_certificates(folder: Path) -> None:
    """Makes `authority.pem`, and for servers, each with its key in one file: `shop.pem`, `events.pem`,
    `other.pem` (for another name), `expired.pem`, and `own.pem`, which nobody has signed."""
    _openssl(
        folder, "req", "-x509", *_KEY, "-subj", "/CN=Authority", "-days", "2",
        "-keyout", "authority.key", "-out", "authority.pem",
        "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign",
    )  # fmt: skip
    _sign(folder, "shop", "shop.example", 2)
    _sign(folder, "events", "events.example", 2)
    _sign(folder, "other", "other.example", 2)
    _sign(folder, "expired", "events.example", -1)
    _openssl(
        folder, "req", "-x509", *_KEY, "-subj", "/CN=events.example", "-days", "2",
        "-keyout", "own.key", "-out", "own.crt", "-addext", "subjectAltName=DNS:events.example",
    )  # fmt: skip
    _join(folder, "own")


def _sign(folder: Path, name: str, host: str, days: int) -> None:
    _openssl(
        folder,
        "req",
        *_KEY,
        "-subj",
        f"/CN={host}",
        "-keyout",
        f"{name}.key",
        "-out",
        f"{name}.csr",
    )
    (folder / "ext").write_text(f"subjectAltName=DNS:{host}\nbasicConstraints=CA:FALSE\n")
    _openssl(
        folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "authority.pem", "-CAkey", "authority.key",
        "-CAcreateserial", "-days", str(days), "-extfile", "ext", "-out", f"{name}.crt",
    )  # fmt: skip
    _join(folder, name)


def _join(folder: Path, name: str) -> None:
    parts = (folder / f"{name}.{end}" for end in ("key", "crt"))
    (folder / f"{name}.pem").write_text("".join(part.read_text() for part in parts))


def _openssl(folder: Path, *words: str) -> None:
    done = subprocess.run(
        ["openssl", *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
