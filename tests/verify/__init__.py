"""`verify` against pages that are served for it, each with one fault."""
