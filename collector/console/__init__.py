"""The console, in its own process: see what comes in, and manage it, in a browser."""
