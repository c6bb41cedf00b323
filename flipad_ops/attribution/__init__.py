"""The attributor: its fit, settings, training set, evaluation and files."""
