"""The values that the docs are written with; a build puts its own in their place."""

EXAMPLE_SOURCE = "ee2db027-46cf-4034-a759-79f1c930f80d"
EXAMPLE_API = "http://127.0.0.1:8686"
