"""What all rows of the domains benchmark share."""
