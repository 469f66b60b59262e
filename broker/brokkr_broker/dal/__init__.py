"""One module and one `.sql` file per resource; one function per statement.

A function takes an executor (the pool, or a connection in a transaction) and returns wire models.
No permissions, no transactions, no calls to other dal modules.
"""
