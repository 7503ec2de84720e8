"""The source id and collector address in the docs; a build replaces them with real ones."""

EXAMPLE_SOURCE_ID = "ee2db027-46cf-4034-a759-79f1c930f80d"
EXAMPLE_API = "http://127.0.0.1:8686"


def replace_example_values(text: str, source_id: str, api: str) -> str:
    """Returns `text` with the example's source id and collector address replaced."""
    return text.replace(EXAMPLE_SOURCE_ID, source_id).replace(EXAMPLE_API, api)
