"""Routes only: each a thin translation between HTTP and the library."""
