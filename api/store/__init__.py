"""The database: tables, sessions, and one module a concern. Nothing outside this package writes SQL."""
