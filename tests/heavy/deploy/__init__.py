"""deploy/, rendered with helm and kustomize, and checked with the schemas of the APIs."""
