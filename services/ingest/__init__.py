"""Ingest: events over HTTP, acknowledged once they are durable on Kafka."""
