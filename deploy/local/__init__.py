"""The stack without Docker: PostgreSQL, a broker, the services and a local inbox on loopback."""
