"""Resource templates: ``"repo:{repo}"`` plus the bound arguments gives the name of a resource.

A template is compiled once, at registration, against the function's parameters. Fields are bare parameter names.
Attribute access, indexing, conversions and format specs are refused: a name must not depend on an object's methods,
and arguments are plain JSON anyway. ``{{`` and ``}}`` are literal braces.

Values must be str, int or UUID, by exact type. None, bool, float and the rest are refused when the task is dispatched:
they print, but two ways to write one thing ("1.0" and "1") would be two resources, and then nothing is protected.
Values are not escaped, so ``"{a}/{b}"`` can name one resource for two pairs: too much is locked then, never too little.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from string import Formatter
from typing import NamedTuple

from latchwork.core.payload import uuid_class
from latchwork.core.resource import check_name
from latchwork.core.show import show
from latchwork.errors import ResourceError


class Template(NamedTuple):
    """A compiled template: ``head``, then for each field the parameter and the literal text after it."""

    text: str
    head: str
    fields: tuple[tuple[str, str], ...]

    def render(self, bound: Mapping[str, object]) -> str:
        """Return the resource name for the bound arguments. Raises ResourceError for a value that cannot name."""
        name = self.head
        for parameter, tail in self.fields:
            value = bound[parameter]
            if type(value) is not str:
                value = _as_text(self.text, parameter, value)
            name += value + tail
        return name


def compile_template(text: object, parameters: Collection[str]) -> Template:
    """Return the compiled template. Raises ResourceError if it is malformed or names no parameter of the function."""
    if type(text) is not str:
        raise ResourceError(f"a resource template must be a str, got {type(text).__name__}; write 'kind:{{parameter}}'")
    try:
        pieces = [*Formatter().parse(text)]
    except ValueError as error:
        raise ResourceError(
            f"resource template {show(text)}: {error}; write {{{{ and }}}} for literal braces"
        ) from None
    head, fields = "", list[tuple[str, str]]()
    for literal, field, spec, conversion in pieces:
        if fields:
            fields[-1] = (fields[-1][0], fields[-1][1] + literal)
        else:
            head += literal
        if field is not None:
            _check_field(text, field, spec or "", conversion, parameters)
            fields.append((field, ""))
    if not fields:
        check_name(head)
    return Template(text, head, tuple(fields))


def _check_field(text: str, field: str, spec: str, conversion: str | None, parameters: Collection[str]) -> None:
    where = f"resource template {show(text)}"
    if conversion or spec:
        wrong = f"!{conversion}" if conversion else f":{spec}"
        raise ResourceError(f"{where}: {wrong!r} after {field!r} is not allowed, only plain {{parameter}} fields are")
    if not field:
        raise ResourceError(f"{where}: an empty field has no name; write {{parameter}}, or {{{{}}}} for literal braces")
    if "." in field or "[" in field:
        raise ResourceError(
            f"{where}: {{{field}}} reaches into a value, only plain {{parameter}} fields are allowed; "
            "give a callable over the bound arguments instead"
        )
    if field not in parameters:
        known = ", ".join(parameters) or "none"
        raise ResourceError(f"{where}: the function has no parameter {field!r}; its parameters: {known}")


def _as_text(text: str, parameter: str, value: object) -> str:
    if type(value) is int:
        return str(value)
    if (uuid := uuid_class(value)) is not None:
        return str(uuid.__str__(value))
    what = "None" if value is None else f"a {type(value).__name__} ({show(value)})"
    raise ResourceError(
        f"resource template {show(text)}: argument {parameter} is {what}, and only a str, int or UUID can be "
        "part of a resource name; pass one, or give a callable over the bound arguments"
    )
