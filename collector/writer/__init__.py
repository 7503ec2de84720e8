"""The process that owns the database's write connection."""
