"""Read a log: pure functions of a `Log`, which ask no operating system and draw nothing."""
