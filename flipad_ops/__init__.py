"""flipad_ops: was this image made by our generative model?

The public surface is small; everything else is imported from its module.
"""

__all__ = ["__version__"]


def __getattr__(name: str) -> str:
    # On demand: reading installed metadata would be a fifth of the time of `flipadops --help`.
    if name == "__version__":
        from flipad_ops.version import __version__

        return __version__
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
