"""From a record to the topic, key, value and headers of a Kafka record."""
