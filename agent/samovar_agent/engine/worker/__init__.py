"""The process that holds one model: the only place that loads llama.cpp."""
