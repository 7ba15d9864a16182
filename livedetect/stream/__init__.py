"""Moving data: sources, session loop, sinks, wire formats; no science."""
