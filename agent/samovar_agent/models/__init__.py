"""Models on this machine and how they come to it: headers, library, catalog, downloads."""
