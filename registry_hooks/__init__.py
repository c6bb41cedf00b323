"""Keeps every registered generator version served by an attributor: events are hints, a work
table is the truth, and a reconciler finds what the events missed."""
