"""The console, in a process of its own: what comes in, seen and steered in a browser."""
