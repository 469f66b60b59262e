"""The shapes on the wire, one module per resource.

These structs are the contract between broker, agent and every other client. Their JSON Schema is
the one in the OpenAPI document, and the SELECT lists in `brokkr_broker.dal` name exactly their
fields. Secrets (key hashes) are in none of them.
"""
