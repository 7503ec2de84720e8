"""Sends what is stored to other stores: one process for each destination, beside ingestion and never
in its way."""
