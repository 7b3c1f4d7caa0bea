"""From a config and an Inventory to slots and grants. Pure."""
