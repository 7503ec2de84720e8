"""One file per group of commands: they read options, call a library, and print."""
