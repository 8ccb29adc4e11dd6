"""The lab: builds, starts and stops a real Kubernetes cluster that needs no registry and no container engine."""
