"""Which entries of a book speak of one model version: gathered once, read by every section.

Following references only; what is not there stays None or empty, and the sections say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from tallystick.canonical import Value
from tallystick.errors import Malformed
from tallystick.people import duties, rules
from tallystick.people.book import Book
from tallystick.records import Entry, Ref

__all__ = ["Ground", "Story", "names"]


@dataclass(frozen=True)
class Ground:
    """What one policy found: the evaluation that counts, its decision, and the policy."""

    evaluation: Entry
    decision: Entry | None
    policy: Entry | None

    def __lt__(self, other: Ground) -> bool:
        return self.evaluation.seq < other.evaluation.seq


class Story:
    """One model version and everything in the book that bears on it."""

    def __init__(self, book: Book, model: Entry, *, as_of: str) -> None:
        self.book = book
        self.model = model
        self.as_of = as_of
        self.name = str(model.body.get("name"))

    def _find(self, entry: Entry | None, field: str) -> Entry | None:
        return None if entry is None else self.book.find(entry.body.get(field))

    def _of_model(self, kind: str) -> list[Entry]:
        return [entry for entry in self.book.naming(kind, self.model.ref.leaf) if names(entry, "model", self.model)]

    # ---------------------------------------------------------------- where it came from

    @cached_property
    def usecase(self) -> Entry | None:
        """The newest version of the use case, if it was superseded since."""
        found = self._find(self.model, "usecase")
        while found is not None:
            newer = [e for e in self.book.naming("usecase", found.ref.leaf) if e.supersedes == found.ref]
            if not newer:
                return found
            found = newer[-1]
        return None

    @cached_property
    def run(self) -> Entry | None:
        return self._find(self.model, "run")

    @cached_property
    def inputs(self) -> dict[str, list[Entry]]:
        """The inputs of the run by kind."""
        return inputs_of(self.book, self.run)

    @cached_property
    def test_data(self) -> list[Entry]:
        """Datasets that the evaluations used, each once."""
        found = {entry.seq: entry for ground in self.grounds for entry in self.data_of(ground.evaluation)}
        return [found[seq] for seq in sorted(found)]

    def data_of(self, evaluation: Entry) -> list[Entry]:
        """Datasets that one evaluation used, each once."""
        lines = self.book.field(evaluation, "data") or ()
        read = [self.book.find(line.get("dataset")) for line in lines if isinstance(line, Mapping)]
        found = {entry.seq: entry for entry in read if entry is not None}
        return [found[seq] for seq in sorted(found)]

    def names_all_its_data(self, evaluation: Entry) -> bool:
        """Whether every line of data of an evaluation names a dataset that is on the ledger."""
        lines = self.book.field(evaluation, "data")
        if not isinstance(lines, list) or not lines:
            return False
        return all(isinstance(line, Mapping) and self.book.find(line.get("dataset")) is not None for line in lines)

    @cached_property
    def datasets(self) -> list[Entry]:
        found = {entry.seq: entry for entry in [*self.inputs.get("dataset", ()), *self.test_data]}
        return [found[seq] for seq in sorted(found)]

    @cached_property
    def makers(self) -> Mapping[str, tuple[str, ...]]:
        return duties.makers(self.book, self.model)

    @cached_property
    def unmapped_authors(self) -> int:
        return duties.unmapped_authors(self.book, self.model)

    @cached_property
    def commits(self) -> tuple[int, ...]:
        """Indices of the commits that the model was made from."""
        return tuple(entry.seq for entry in duties.lineage(self.book, self.model) if entry.kind == "commit")

    # ---------------------------------------------------------------- what was decided

    @cached_property
    def evaluations(self) -> list[Entry]:
        return self._of_model("evaluation")

    def evaluated(self, digest: Value) -> list[Entry]:
        """Evaluations of some model bytes, oldest first."""
        pool = self.book.naming("evaluation", digest)
        return [entry for entry in pool if entry.body.get("model_digest") == digest]

    @cached_property
    def decisions(self) -> list[Entry]:
        return self._of_model("decision")

    @cached_property
    def grounds(self) -> list[Ground]:
        """The newest evaluation under each policy, oldest first."""
        newest: dict[str, Ground] = {}
        for entry in self.evaluations:
            policy = self._find(entry, "policy")
            key = str(policy.body.get("id")) if policy is not None else str(entry.body.get("policy"))
            decisions = [d for d in self.decisions if names(d, "evaluation", entry)]
            newest[key] = Ground(entry, decisions[-1] if decisions else None, policy)
        return sorted(newest.values())

    @cached_property
    def approvals(self) -> list[Entry]:
        """Approvals and refusals of any decision about this model."""
        decided = {entry.ref for entry in self.decisions}
        pool = self.book.naming("approval", *(ref.leaf for ref in decided))
        return [entry for entry in pool if ref_in(entry, "decision") in decided]

    @cached_property
    def promotions(self) -> list[Entry]:
        return self._of_model("promotion")

    @cached_property
    def tenures(self) -> list[rules.Tenure]:
        """When this version was in a stage; stages in order of their first promotion."""
        return [tenure for tenure in self.stage_history if tenure.model.ref == self.model.ref]

    @cached_property
    def stage_history(self) -> list[rules.Tenure]:
        """Every version of the model in the stages that this one was promoted to or decided about."""
        stages = dict.fromkeys(str(entry.body.get("stage")) for entry in [*self.promotions, *self.decisions])
        return [tenure for stage in stages for tenure in rules.history(self.book, self.name, stage=stage)]

    def scored_before(self, ground: Ground) -> Entry | None:
        """The evaluation in which the ground's data were first scored, if the policy came after it.

        Found in the books, whether the evaluation itself says it or not.
        """
        if ground.policy is None:
            return None
        return rules.scored_before_policy(self.book, ground.policy, *rules.data_digests(self.book, ground.evaluation))

    @cached_property
    def earlier_failures(self) -> list[Entry]:
        """Evaluations before the ones that count, of the same use case and policy, that did not pass."""
        found = {e.seq: e for ground in self.grounds for e in rules.earlier_failures(self.book, ground.evaluation)}
        return [found[seq] for seq in sorted(found)]

    def explanation(self, evaluation: Entry) -> tuple[str, Entry] | None:
        """What the ledger says of an evaluation that did not pass, and the entry that says it."""
        for entry, line in rules.explaining_lines(self.book, evaluation):
            if line["evaluation"] == evaluation.ref.value():
                return str(line["text"]), entry
        return None

    @cached_property
    def waivers(self) -> list[Entry]:
        return self._of_model("waiver")

    @cached_property
    def reviews(self) -> list[Entry]:
        return self._of_model("review")

    def findings(self, review: Entry) -> list[Entry]:
        return [entry for entry in self.book.naming("finding", review.ref.leaf) if names(entry, "review", review)]

    @cached_property
    def open_findings(self) -> list[Entry]:
        return [e for review in self.reviews for e in self.findings(review) if e.body.get("closure") is None]

    @cached_property
    def conditions(self) -> list[tuple[Entry, Mapping[str, Value]]]:
        """Conditions that approvals set, each with its approval."""
        return [
            (entry, condition)
            for entry in self.approvals
            if entry.body.get("verdict") == "approved" and isinstance(entry.body.get("conditions"), list)
            for condition in entry.body["conditions"]
            if isinstance(condition, Mapping)
        ]

    @cached_property
    def makers_among_approvers(self) -> list[str]:
        approvers = {e.actor for e in self.approvals if e.body.get("verdict") == "approved"}
        return sorted(approvers & set(self.makers))

    @cached_property
    def policies(self) -> list[Entry]:
        """Those that the grounds stand on, each once."""
        found = {ground.policy.seq: ground.policy for ground in self.grounds if ground.policy is not None}
        return [found[seq] for seq in sorted(found)]

    @cached_property
    def makers_of_rules(self) -> list[tuple[str, tuple[str, ...], Entry]]:
        """Makers of the model who stand for a policy that judged it: actor, ``author`` and ``approver``, policy."""
        found: dict[tuple[str, int], tuple[str, tuple[str, ...], Entry]] = {}
        for policy in self.policies:
            for role in ("author", "approver"):
                actor = policy.body.get(role)
                if isinstance(actor, str) and actor in self.makers:
                    _, roles, _ = found.get((actor, policy.seq), (actor, (), policy))
                    found[actor, policy.seq] = (actor, (*roles, role), policy)
        return list(found.values())

    @cached_property
    def deployments(self) -> list[Entry]:
        digest = self.model.body.get("digest")
        return [entry for entry in self.book.naming("deployment", digest) if entry.body.get("model_digest") == digest]

    @cached_property
    def metrics(self) -> list[Entry]:
        return [entry for entry in self.book.naming("metric", self.model.ref.leaf) if names(entry, "of", self.model)]

    # ---------------------------------------------------------------- beside it

    @cached_property
    def previous(self) -> Entry | None:
        """The version recorded before this one."""
        older = [entry for entry in self.book.models(self.name) if entry.seq < self.model.seq]
        return older[-1] if older else None

    @cached_property
    def champion(self) -> Entry | None:
        """The version that this one replaced in its stage, or, before a promotion, the one in production."""
        for promotion in reversed(self.promotions):
            replaced = self._find(promotion, "replaces")
            if replaced is not None:
                return replaced if replaced.kind == "model" else self._find(replaced, "model")
        if self.promotions:
            return None
        standing = rules.history(self.book, self.name, as_of=self.as_of)
        return standing[-1].model if standing else None

    def person(self, actor: Value) -> Entry | None:
        """The newest key entry of an actor."""
        keys = [entry for entry in self.book.naming("key", str(actor)) if entry.body.get("actor") == actor]
        return keys[-1] if keys else None

    def checks(self, evaluation: Entry) -> list[Mapping[str, Value]] | None:
        """Its check results; None if they stand in an attachment that is not at hand."""
        found = self.book.field(evaluation, "checks")
        return None if not isinstance(found, list) else [check for check in found if isinstance(check, Mapping)]


def inputs_of(book: Book, run: Entry | None) -> dict[str, list[Entry]]:
    """The inputs of a run by kind; those that are not at hand are left out."""
    found: dict[str, list[Entry]] = {}
    for ref in run.body.get("inputs", ()) if run is not None else ():
        entry = book.find(ref)
        if entry is not None:
            found.setdefault(entry.kind, []).append(entry)
    return found


def names(entry: Entry, field: str, target: Entry) -> bool:
    """Whether a field of an entry refers to exactly the target."""
    return ref_in(entry, field) == target.ref


def ref_in(entry: Entry, field: str) -> Ref | None:
    try:
        return Ref.of(entry.body.get(field))
    except Malformed:
        return None
