"""List, read, decode and score; what runs where."""
