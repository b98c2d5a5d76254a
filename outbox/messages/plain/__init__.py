"""Plain dicts as messages, whose schema is written by hand in MongoDB's `$jsonSchema`."""
