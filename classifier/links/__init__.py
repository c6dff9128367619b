"""Whether the office has seen this text, this petitioner's matter, or this matter before. Three kinds, never mixed."""
