"""The HTML leak report: one self-contained page."""
