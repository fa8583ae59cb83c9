"""What moto does not play of AWS, added to its own server: ECR's archive and CodePipeline's stage transitions.

As AWS documents them: an archived image bears that status and when it was moved; a transition says who changed it last.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

from moto.codepipeline.responses import CodePipelineResponse
from moto.core.responses import ActionResult
from moto.ecr.models import Image, ecr_backends
from moto.ecr.responses import ECRResponse

SOMEBODY = "arn:aws:iam::123456789012:user/somebody"


def place(number: str, region: str, repository: str, digest: str) -> None:
    """An image with that digest, in moto's own repository."""
    held = ecr_backends[number][region].repositories[repository]
    image = Image(number, digest[-6:], "{}", repository, digest=digest)
    vars(image).update(image_status="ACTIVE")
    held.images.append(image)


def _update_image_storage_class(self: Any) -> ActionResult:
    name, asked = self._get_param("repositoryName"), self._get_param("imageId")
    images = self.ecr_backend.repositories[name].images
    image = next(i for i in images if i.image_digest == asked["imageDigest"])
    archived = self._get_param("targetStorageClass") == "ARCHIVE"
    status = "ARCHIVED" if archived else "ACTIVE"
    vars(image).update(image_status=status)
    vars(image)["last_archived_at" if archived else "last_activated_at"] = datetime.now(UTC)
    return ActionResult({"repositoryName": name, "imageId": asked, "imageStatus": status})


def transitions(pipeline: Any) -> dict[str, dict[str, Any]]:
    """Each stage's inbound transition, of moto's own pipeline."""
    held: dict[str, dict[str, Any]] = vars(pipeline).setdefault("transitions", {})
    for stage in pipeline.pipeline["stages"]:
        held.setdefault(stage["name"], {"enabled": True})
    return held


def _get_pipeline_state(self: Any) -> str:
    pipeline = self.codepipeline_backend.pipelines[self._get_param("name")]
    stages = [{"stageName": n, "inboundTransitionState": t} for n, t in transitions(pipeline).items()]
    return json.dumps({"pipelineName": self._get_param("name"), "stageStates": stages})


def _change(self: Any, **state: Any) -> str:
    held = transitions(self.codepipeline_backend.pipelines[self._get_param("pipelineName")])
    changed = {"lastChangedBy": SOMEBODY, "lastChangedAt": time.time()}
    held[self._get_param("stageName")] = {**state, **changed}
    return "{}"


def _disable_stage_transition(self: Any) -> str:
    return _change(self, enabled=False, disabledReason=self._get_param("reason"))


def _enable_stage_transition(self: Any) -> str:
    return _change(self, enabled=True)


@contextmanager
def played() -> Iterator[None]:
    """Moto's server plays them too."""
    with (
        patch.object(ECRResponse, "update_image_storage_class", _update_image_storage_class, create=True),
        patch.object(CodePipelineResponse, "get_pipeline_state", _get_pipeline_state, create=True),
        patch.object(CodePipelineResponse, "disable_stage_transition", _disable_stage_transition, create=True),
        patch.object(CodePipelineResponse, "enable_stage_transition", _enable_stage_transition, create=True),
    ):
        yield
