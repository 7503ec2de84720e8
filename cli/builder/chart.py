"""Bar charts from fenced blocks."""

from html import escape

from .code_fence import CodeError, FenceInfo


def render_chart(info: FenceInfo, text: str) -> str:
    """Renders lines of `name | number | label` as a bar chart; the largest number takes the full
    width. Raises CodeError."""
    rows = [_parse_bar(line, n) for n, line in enumerate(text.strip().splitlines(), 1)]
    if not rows:
        raise CodeError("the chart has no bars. Write a line for each: name | number | label")
    largest = max(value for _, value, _ in rows) or 1.0
    bars = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        f'<td><span class="bar" style="inline-size:{value / largest * 100:.1f}%"></span>'
        f"<span>{escape(label)}</span></td></tr>"
        for name, value, label in rows
    )
    caption = escape(info.options.get("title", "Chart"))
    return f'<table class="chart"><caption>{caption}</caption><tbody>{bars}</tbody></table>\n'


def _parse_bar(line: str, number: int) -> tuple[str, float, str]:
    name, *rest = (part.strip() for part in line.split("|"))
    try:
        return name, float(rest[0]), rest[1] if len(rest) > 1 else rest[0]
    except (IndexError, ValueError) as error:
        message = f"{line!r} is not a bar. Write: name | number | label"
        raise CodeError(message, number) from error
