"""What holds promotion in a repository, read and written: environments with their branch policy, and rulesets.

Owns the REST semantics: an environment is written whole, so what is not to change is sent as it stands now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self
from urllib.parse import quote

from integrations.github.client import API, REPOSITORY, GitHub
from integrations.outbound import Service
from patchgap.errors import BadInputError, NotFoundError
from patchgap.settings import GitHubSettings, Settings

_HINT = "Check github.url and github.token; docs/github.md has the permissions that the token needs."
_NO_POLICY: Mapping[str, Any] = {"policy": None, "patterns": []}
CUSTOM = {"protected_branches": False, "custom_branch_policies": True}
State = Mapping[str, Any]  # {"policy": {...} or None, "patterns": [[name, type], ...]}


@dataclass(frozen=True)
class Promotion:
    """The connection: GitHub as the freeze's token sees it."""

    github: GitHub
    settings: GitHubSettings
    may_write: Callable[[], None] = lambda: None

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """From the settings. Raises BadInputError where a repository is none."""
        held = settings.github
        for image, repository in held.repositories.items():
            if repository and not REPOSITORY.fullmatch(repository):
                raise BadInputError("settings", f"github.repositories: {image!r} has no owner/name", "Correct it.")
        return cls(GitHub.at(Service("GitHub", held.url or API, held.token), _HINT), held)

    def guarded(self, may_write: Callable[[], None]) -> Self:
        """The same, where `may_write` is asked before each write: it raises while the kill switch stands."""
        return replace(self, may_write=may_write)

    def repository(self, name: str) -> dict[str, Any]:
        """The repository. Raises NotFoundError where the token sees none."""
        found = self.github.get(f"/repos/{name}")
        if not isinstance(found, dict):
            raise NotFoundError(f"there is no repository {name} that the token may see", _HINT)
        return found

    def has_commit(self, repository: str, commit: str) -> bool:
        """Whether that commit is in the repository."""
        return isinstance(self.github.get(f"/repos/{repository}/git/commits/{commit}"), dict)

    def environment(self, repository: str, name: str) -> dict[str, Any] | None:
        """The environment, or None where there is none."""
        found = self.github.get(_environment(repository, name))
        return found if isinstance(found, dict) else None

    def state(self, repository: str, name: str) -> State:
        """Which branches may deploy to it. Raises NotFoundError where it is gone."""
        found = self.environment(repository, name)
        if found is None:
            raise NotFoundError(f"{repository} has no environment {name}", "Nothing can be deployed to it.")
        policy = found.get("deployment_branch_policy")
        if not policy:
            return _NO_POLICY
        kept = {k: bool(policy.get(k)) for k in CUSTOM}
        return {"policy": kept, "patterns": self._patterns(repository, name) if kept == CUSTOM else []}

    def _patterns(self, repository: str, name: str) -> list[list[str]]:
        rows = self.github.pages(f"{_environment(repository, name)}/deployment-branch-policies", {}, "branch_policies")
        return sorted([str(r["name"]), str(r.get("type", "branch"))] for r in rows)

    def set_policy(self, repository: str, name: str, policy: Mapping[str, bool] | None) -> None:
        """Writes the policy, and everything else of the environment as it stands now."""
        found = self.environment(repository, name) or {}
        rules = {r.get("type"): r for r in found.get("protection_rules", [])}
        reviewers = rules.get("required_reviewers", {})
        body = {
            "wait_timer": rules.get("wait_timer", {}).get("wait_timer", 0),
            "prevent_self_review": bool(reviewers.get("prevent_self_review")),
            "reviewers": [{"type": r["type"], "id": r["reviewer"]["id"]} for r in reviewers.get("reviewers", [])]
            or None,
            "deployment_branch_policy": policy,
        }
        self._write("PUT", _environment(repository, name), body=body)

    def admit(self, repository: str, name: str, pattern: Sequence[str]) -> None:
        """Lets the branches (or tags) of that pattern deploy to it."""
        path = f"{_environment(repository, name)}/deployment-branch-policies"
        # 303: the pattern is there already
        self._write("POST", path, body={"name": pattern[0], "type": pattern[1]}, wanted=(200, 201, 303))

    def refuse(self, repository: str, name: str, patterns: Sequence[Sequence[str]]) -> None:
        """Takes away those patterns and no other."""
        path = f"{_environment(repository, name)}/deployment-branch-policies"
        for row in list(self.github.pages(path, {}, "branch_policies")):
            if [str(row["name"]), str(row.get("type", "branch"))] in [list(p) for p in patterns]:
                self._write("DELETE", f"{path}/{int(row['id'])}", wanted=(204, 404))

    def ruleset(self, repository: str, name: str) -> dict[str, Any] | None:
        """The repository's own ruleset of that name, whole."""
        found = next((r for r in self._rulesets(repository) if r.get("name") == name), None)
        return None if found is None else self.github.get(f"/repos/{repository}/rulesets/{int(found['id'])}")

    def rulesets(self, repository: str) -> tuple[str, ...]:
        """The names of the repository's own rulesets."""
        return tuple(str(r.get("name")) for r in self._rulesets(repository))

    def _rulesets(self, repository: str) -> Iterator[dict[str, Any]]:
        return self.github.pages(f"/repos/{repository}/rulesets", {"includes_parents": "false"})

    def lock(self, repository: str, ruleset: Mapping[str, Any]) -> None:
        """Makes the ruleset."""
        self._write("POST", f"/repos/{repository}/rulesets", body=ruleset)

    def unlock(self, repository: str, identity: int) -> None:
        """Deletes it."""
        self._write("DELETE", f"/repos/{repository}/rulesets/{identity}", wanted=(204, 404))

    def _write(
        self, method: str, path: str, *, body: Mapping[str, Any] | None = None, wanted: tuple[int, ...] = (200, 201)
    ) -> None:
        self.github.rest.ask(method, path, body=body, wanted=wanted, may_send=self.may_write)


def _environment(repository: str, name: str) -> str:
    return f"/repos/{repository}/environments/{quote(name, safe='')}"
