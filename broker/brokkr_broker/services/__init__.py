"""What the product does: one function per use case, named by a verb.

A service opens the transaction, calls `dal`, and decides. It knows neither HTTP nor the driver.
"""
