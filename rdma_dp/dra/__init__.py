"""Resources as Dynamic Resource Allocation (DRA) knows them: devices, slices, claims. Pure."""
