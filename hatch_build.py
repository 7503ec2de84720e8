"""What a wheel carries beyond the packages: templates, site sources, and the built tracker, so that
no Node is needed."""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CARRIED = {
    "templates": "cli/_data/templates",
    "site": "cli/_data/site",
    "js/dist": "collector/_dist",
    "templates/snippet.html": "collector/_install/snippet.html",
    "site/guides.toml": "collector/_install/guides.toml",
    "templates/console": "collector/_console",
    "templates/report": "collector/_report",
    "templates/assets/style.css": "collector/_report/style.css",
}


class CarryData(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the folders above. An editable install finds them in the source tree."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable" or self.target_name != "wheel":
            return
        if not (Path(self.root) / "js/dist/manifest.json").is_file():
            # Whoever runs pip sees these lines alone, and not where they were raised.
            sys.exit(
                "The tracker is not built, and a wheel carries it. Run `make build` in the source"
                " tree, then again what you ran; or use it from there: `make demo`."
            )
        build_data["force_include"].update(
            {str(Path(self.root) / source): target for source, target in CARRIED.items()}
        )
