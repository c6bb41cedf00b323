"""What a scan is asked for, and what it would read."""
