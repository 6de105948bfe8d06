"""The gates there are: by the word that a policy writes as their ``type``.

The shipped ones stand in the table below. Others come from installed distributions that name a subclass of
:class:`tallystick.policy.language.Gate` as an entry point of the group ``tallystick.gates``; one is loaded only when a
policy names it, and none can take the name of a shipped gate.
"""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Annotated, Any, Final, Union

from pydantic import Field, create_model

from tallystick.errors import InvalidPolicy
from tallystick.policy.language import Document, Gate

__all__ = ["GROUP", "SHIPPED", "document_model", "installed", "maker_of", "model_of"]

GROUP: Final = "tallystick.gates"
SHIPPED: Final = {
    "schema": "tallystick.policy.gates.schema:SchemaGate",
    "bias": "tallystick.policy.gates.bias.model:BiasGate",
    "benchmark": "tallystick.policy.gates.benchmark.model:BenchmarkGate",
    "drift": "tallystick.policy.gates.drift:DriftGate",
    "expr": "tallystick.policy.gates.expression:ExpressionGate",
}


@lru_cache
def installed() -> Mapping[str, EntryPoint]:
    """The gates of other distributions, by type, as they were installed when this process first asked."""
    found = {point.name: point for point in entry_points(group=GROUP)}
    return MappingProxyType({name: point for name, point in found.items() if name not in SHIPPED})


def model_of(kind: str) -> type[Gate] | None:
    """The model of a type of gate; None if there is no such gate.

    Raises:
        InvalidPolicy: an installed one cannot be loaded, or is none.
    """
    if kind in SHIPPED:
        module, _, name = SHIPPED[kind].partition(":")
        model: type[Gate] = getattr(import_module(module), name)
        return model
    point = installed().get(kind)
    return None if point is None else _loaded(point)


def maker_of(kind: str) -> tuple[str, str] | None:
    """Name and version of the distribution that a gate comes from; None for a shipped one."""
    point = None if kind in SHIPPED else installed().get(kind)
    return None if point is None or point.dist is None else (point.dist.name, point.dist.version)


def _loaded(point: EntryPoint) -> type[Gate]:
    try:
        model = point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise _unusable(point, f"{type(error).__name__} while it was loaded") from error
    if not (isinstance(model, type) and issubclass(model, Gate)):
        raise _unusable(point, "no subclass of tallystick.policy.language.Gate")
    if typing.get_args(model.model_fields["type"].annotation) != (point.name,):
        raise _unusable(point, f"a model whose type is not Literal[{point.name!r}]")
    return model


def _unusable(point: EntryPoint, got: str) -> InvalidPolicy:
    distribution = point.dist.name if point.dist else "an unknown distribution"
    return InvalidPolicy(
        f"the gate {point.name!r} of {distribution} cannot be used",
        where=point.value,
        expected="a subclass of tallystick.policy.language.Gate",
        got=got,
    )


def document_model(kinds: Iterable[str] = ()) -> type[Document]:
    """The model of policy files that may have the shipped gates, and those named if they are installed."""
    return _document_model(tuple(sorted({*SHIPPED, *kinds})))


@lru_cache
def _document_model(kinds: tuple[str, ...]) -> type[Document]:
    models = tuple(model for model in map(model_of, kinds) if model is not None)
    gate: Any = Annotated[Union[models], Field(discriminator="type")]  # noqa: UP007 - of models known at run time
    return create_model("Document", __base__=Document, gates=(list[gate], Field(min_length=1)))
