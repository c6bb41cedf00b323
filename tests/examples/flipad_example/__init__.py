"""What another package adds to flipad_ops: an output format and a target."""
