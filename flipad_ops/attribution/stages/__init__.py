"""The stages of a fit, one file each; `flipad_ops.attribution.fitting` puts them in order."""
