"""The DRA driver as kubelet sees it: claims to prepare, the health of devices, registration.

Only the daemon imports it, and only when a resource is offered by DRA.
"""
