"""Read a text back, in English, and hold it against the record: no part of it knows the templates."""
