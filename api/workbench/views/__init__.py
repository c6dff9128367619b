"""Contexts built from what use cases answer: no request, no database, no transaction."""
