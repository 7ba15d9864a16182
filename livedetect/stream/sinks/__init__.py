"""Sinks: where results go. One file each."""
