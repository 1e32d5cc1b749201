"""Models in memory: one worker process each, and the state around it."""
