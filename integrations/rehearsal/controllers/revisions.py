"""ControllerRevisions: the history of a StatefulSet's or a DaemonSet's template.

Owns the revision objects and which one is current.
"""

from __future__ import annotations

from integrations.rehearsal.controllers.templates import template_hash
from integrations.rehearsal.controllers.work import Hands, owner_reference
from integrations.rehearsal.document import Json, clone, dig

REVISION_LABEL = "controller-revision-hash"
_REVISIONS = "controllerrevisions.apps"


def revision_of(hands: Hands, live: Json) -> str:
    """The name of the revision of a workload's present template; made where it is not there yet."""
    data = {"spec": {"template": {**clone(live["spec"]["template"]), "$patch": "replace"}}}
    known = hands.owned(_REVISIONS, live)
    found = next((one for one in known if one.get("data") == data), None)
    newest = max((one["revision"] for one in known), default=0)
    if found is None:
        name_hash = template_hash(live["spec"]["template"])
        labels = dig(live, "spec", "template", "metadata", "labels") or {}
        metadata = {
            "name": f"{live['metadata']['name']}-{name_hash}",
            "labels": {**labels, REVISION_LABEL: name_hash},
            "ownerReferences": [owner_reference(live)],
        }
        document = {"metadata": metadata, "data": data, "revision": newest + 1}
        return str(hands.create(_REVISIONS, live["metadata"]["namespace"], document)["metadata"]["name"])
    if found["revision"] < newest:
        found = hands.edit(_REVISIONS, found, lambda one: one.update(revision=newest + 1))
    return str(found["metadata"]["name"])
