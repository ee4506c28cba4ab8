"""Who asks: one file for each way to prove it, and `accounts` as the face of all of them."""
