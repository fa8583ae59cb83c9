"""The parts of one cluster, put together: storage, verbs, tokens, roles, admission.

Owns only the wiring.
"""

from __future__ import annotations

from integrations.rehearsal.admission import BuiltIn
from integrations.rehearsal.call import World
from integrations.rehearsal.deletion import Deleter
from integrations.rehearsal.logs import Logs
from integrations.rehearsal.policies import StoredPolicies
from integrations.rehearsal.rbac import Authorizer
from integrations.rehearsal.reading import Reader
from integrations.rehearsal.reviews import Reviews
from integrations.rehearsal.storage import Storage
from integrations.rehearsal.subresources import Subresources
from integrations.rehearsal.tokens import Tokens
from integrations.rehearsal.verbs import Writer


class Machine:
    """One cluster's parts; made once, by the cluster."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.installed: set[str] = set()  # the API groups of products that are not Kubernetes' own
        self.storage = Storage()
        self.tokens = Tokens(self.storage, world.clock)
        self.authorizer = Authorizer(self.storage)
        self.admission = BuiltIn(self.storage, world, self.authorizer, StoredPolicies(self.storage, world))
        self.writer = Writer(self.storage, world, self.admission)
        self.deleter = Deleter(self.writer)
        self.reader = Reader(self.storage)
        self.reviews = Reviews(self.authorizer, self.tokens, world)
        self.logs = Logs(self.storage, world)
        self.subresources = Subresources(self.writer, self.deleter, self.tokens)
