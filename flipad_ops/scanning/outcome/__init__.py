"""What a scan found: summary, pictures, saved, signed and checked again."""
