"""The kernel: pure functions and fitted models. No web, no database, no clock, no network."""
