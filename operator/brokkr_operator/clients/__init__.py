"""Narrow adapters to the Kubernetes API and to the broker: one method per call we make.

The libraries' errors end here. The two clients do not know each other, and neither has a policy.
"""
