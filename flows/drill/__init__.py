"""The rehearsal: the real loop against a rehearsal cluster, told step by step.

Owns the stage and the people around the loop (the sender of the advisory, the team that patches); everything else is
what `patchgap up` runs. Nothing in the loop knows that it is a drill.
"""
