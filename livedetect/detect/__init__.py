"""The science: pure numerics without I/O, threads, clocks, logging or GUI."""
