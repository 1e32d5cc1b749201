"""Documents: what people gave us to read, cut up, found again and quoted."""
