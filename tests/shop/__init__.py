"""The shop: a namespace with an application that serves, real load on it, and operators who release.

Shared by the demonstration and the end-to-end suite, so that both show the same thing. Everything runs against the
cluster of KUBECONFIG: inside the lab (`tests/lab/lab exec`), or a cluster of your own.
"""
