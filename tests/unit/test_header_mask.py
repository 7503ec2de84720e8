"""What is masked of headers, and what is not."""

import pytest

from collector.worker.http.header_mask import masked

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.s1gnatur3"


@pytest.mark.parametrize(
    "name",
    ["authorization", "proxy-authorization", "cookie", "x-api-key", "x-apikey", "x-auth-token", "x-csrf-token",
     "x_session", "x-amz-signature", "client-secret", "x-accesstoken", "x-user-password"],
)  # fmt: skip
def test_headers_of_these_names_are_masked(name: str) -> None:
    assert masked(name, "abc123") == "…"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Bearer abc123", "…"),
        (f"a {JWT}, b", "a …, b"),
        ("https://shop.example/?a=1&access_token=abc&b=2#id_token=x", "https://shop.example/?a=1&access_token=…&b=2#id_token=…"),
        ("https://ann:pass@shop.example/", "https://…@shop.example/"),
    ],
)  # fmt: skip
def test_secrets_in_values_are_masked(value: str, shown: str) -> None:
    assert masked("referer", value) == shown


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("referer", "https://shop.example/keys?author=ann&monkeys=3&run=r-1"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0"),
        ("x-thamesthrive-run", "run-1"),
        ("content-type", "application/json"),
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://shop.example"),
    ],
)
def test_everything_else_is_shown(name: str, value: str) -> None:
    assert masked(name, value) == value
