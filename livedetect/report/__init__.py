"""After a session: tables, plots and one HTML page."""
