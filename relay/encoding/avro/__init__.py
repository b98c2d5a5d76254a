"""From BSON's values to Avro, by a schema."""
