"""Spans of OpenTelemetry for puts, handlers and deliveries, in processes that have loaded it."""
