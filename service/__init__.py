"""What people and systems touch: settings, catalog, ingest loop, command line."""
