"""A scan on a Ray cluster: workers read, decode and score; this process decides.

The driver (`engine.RayEngine`) lists, asks the ledger, and composes the very batches that the
local engine would: same images, same order. So scores agree bit for bit on alike machines, whatever
the kernels make of a batch's size. Pixels stay in Ray's object store; the driver moves references
and rows.

Ray is imported when an engine is used, never before.
"""
