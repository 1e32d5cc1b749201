"""The description of the server, made from its table and the types that it reads and writes."""
