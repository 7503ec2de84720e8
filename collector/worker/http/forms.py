"""The fields of a form, read strictly: one that cannot be read is refused, and nothing of it lost
without a word."""

from urllib.parse import parse_qs

from sanic.headers import parse_content_header

from ...errors import Invalid

URLENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
MAX_BOUNDARY = 70  # characters: RFC 2046, 5.1.1


def form_fields(body: bytes, content_type: str) -> dict[str, list[str]] | None:
    """Names and values of a form; None if it is none. Files in it are left out. Raises Invalid."""
    kind, parameters = parse_content_header(content_type)
    if kind.strip().lower() == URLENCODED:
        return parse_qs(_text(body))
    if kind.strip().lower() == MULTIPART:
        return _multipart(body, str(parameters.get("boundary", "")))
    return None


def _multipart(body: bytes, boundary: str) -> dict[str, list[str]]:
    if not 0 < len(boundary) <= MAX_BOUNDARY or not boundary.isascii():
        raise Invalid(
            f"Content-Type: multipart/form-data needs a boundary of up to {MAX_BOUNDARY}."
        )
    _, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())
    if not parts or not parts[-1].startswith(b"--"):
        raise Invalid("The multipart body does not end with its boundary.")
    fields: dict[str, list[str]] = {}
    for part in parts[:-1]:
        head, blank, value = part.partition(b"\r\n\r\n")
        if not blank or not head.startswith(b"\r\n"):
            raise Invalid("A part of the multipart body has no headers.")
        disposition = _disposition(_text(head))
        if "filename" not in disposition and "filename*" not in disposition:
            fields.setdefault(disposition["name"], []).append(_text(value))
    return fields


def _disposition(head: str) -> dict[str, str]:
    """The parameters of a part's Content-Disposition; `name` is among them. Raises Invalid."""
    for line in head.split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-disposition":
            _, parameters = parse_content_header(value.strip())
            if "name" in parameters:
                return {key: str(parameter) for key, parameter in parameters.items()}
    raise Invalid("A part of the multipart body has no name.")


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise Invalid("The form is not UTF-8.") from error
