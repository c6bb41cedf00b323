"""flipad_ops: was this image made by our generative model?

The public surface is small; everything else is imported from its module.
"""

from flipad_ops.version import __version__

__all__ = ["__version__"]
