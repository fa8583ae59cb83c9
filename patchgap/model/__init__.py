"""Value types: what patchgap speaks of, as frozen dataclasses without behaviour beyond their own invariants.

Knows nothing of storage, transports or time. Borders (ledger, webhook, command line) turn these to and from JSON with
`patchgap.model.codec`.
"""
