"""The Kubernetes API: credentials, requests, and which kinds there are."""
