"""What every room uses: errors, exit codes, logs and redaction, limits, child processes, traces."""
