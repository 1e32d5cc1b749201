"""The endpoints that speak as Ollama does."""
