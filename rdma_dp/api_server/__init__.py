"""The API server: ResourceSlices and claims of DRA.

It imports aiohttp. The daemon imports this package only when a resource is via DRA.
"""
