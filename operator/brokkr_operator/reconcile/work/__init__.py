"""Do what a WorkOrder asks for, once, to its real end. The resource's status is the only memory."""
