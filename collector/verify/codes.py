"""All codes of a verification, as one table. A code keeps its meaning for ever; a new meaning is a new
code."""

from .codes_browser import BROWSER_CODES, STORAGE_CODES
from .codes_collector import COLLECTOR_CODES
from .codes_page import PAGE_CODES
from .codes_policy import POLICY_CODES
from .findings import Code

CODES: dict[str, Code] = {
    code.code: code
    for code in (*PAGE_CODES, *POLICY_CODES, *COLLECTOR_CODES, *BROWSER_CODES, *STORAGE_CODES)
}
