"""Sources and file readers; each is one file and one entry point."""
