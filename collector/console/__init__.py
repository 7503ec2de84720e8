"""The console: what comes in, seen and steered in a browser. A process of its own."""
