"""What each page shows, as frozen dataclasses: the fields of a `Page` are exactly the names that its template uses (tested)."""
