"""Markdown tables of the generated reference."""


def escape_cell(text: str) -> str:
    """Returns text that stays within one cell of a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")
