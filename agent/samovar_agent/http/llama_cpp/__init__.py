"""What editors' plugins know of llama.cpp's server: filling in, tokens and templates."""
