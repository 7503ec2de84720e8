"""Builds the tracker's bundle, the snippet and the site. Prints nothing, and opens no database of
the collector."""
