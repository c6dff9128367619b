"""From corpora and labels to a published bundle: corpus → split → fit → evaluate → publish. No database, no web."""
