"""What a schedule starts: `flipadops scan ...` that ends when whoever started it is gone.

Like a fit, it holds a pipe on stdin; a service killed outright must not leave a scan behind that
a second one then meets at its ledger.
"""

from __future__ import annotations

import sys
import threading

from registry_hooks.fit_entry import die_with


def main() -> None:
    """Run the command line's words as `flipadops scan WORDS`; never returns."""
    sys.argv = ["flipadops", "scan", *sys.argv[1:]]
    threading.Thread(target=die_with, args=(sys.stdin,), daemon=True).start()
    from flipad_ops.cli.main import main as cli

    cli()


if __name__ == "__main__":
    main()
