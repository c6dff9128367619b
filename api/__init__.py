"""Web, database, command line: `app > routes | cli > use cases > store | live > settings`. No cycles."""
