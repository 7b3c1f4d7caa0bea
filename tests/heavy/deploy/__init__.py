"""What deploy/ makes, rendered by real helm and kustomize and held against the APIs' schemas."""
