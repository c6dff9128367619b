"""Every page's context is exactly what its template uses, and each field says what it is."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from dataclasses import fields, is_dataclass

import pytest
from jinja2 import meta, nodes

from api.workbench import contexts
from api.workbench.contexts.base import Page
from api.workbench.render import environment

_MODULES = [
    importlib.import_module(f"{contexts.__name__}.{module.name}")
    for module in pkgutil.iter_modules(contexts.__path__)
]


def _pages(of: type[Page] = Page) -> list[type[Page]]:
    found = [page for below in of.__subclasses__() for page in (below, *_pages(below))]
    # A dataclass with slots is made anew: what it was made of is a subclass, too.
    return [
        page
        for page in found
        if getattr(importlib.import_module(page.__module__), page.__name__, None) is page
    ]


def used(template: str) -> set[str]:
    """The names that a template takes from its context, those of the templates it extends and includes too."""
    source = environment().loader.get_source(environment(), template)[0]
    tree = environment().parse(source)
    # Macros are imported without context: only these two bring names along.
    others = [node.template.value for kind in (nodes.Extends, nodes.Include) for node in tree.find_all(kind)]
    names = meta.find_undeclared_variables(tree) - set(environment().globals)
    # An imported macro is undeclared in the eyes of a block below it.
    names -= {
        name if isinstance(name, str) else name[1]
        for node in tree.find_all(nodes.FromImport)
        for name in node.names
    }
    return names.union(*(used(other) for other in others))


@pytest.mark.parametrize("page", _pages(), ids=lambda page: page.__name__)
def test_a_page_shows_its_context_and_nothing_else(page):
    assert used(page.template) - {"shell"} == {field.name for field in fields(page)}


def test_every_template_of_a_page_is_used():
    templates = {name for name in environment().list_templates() if not name.startswith("_")}
    assert templates - {"base.html"} == {page.template for page in _pages()}


def test_every_field_says_what_it_is():
    silent = []
    for module in _MODULES:
        for name, kind in inspect.getmembers(module, is_dataclass):
            if kind.__module__ != module.__name__:
                continue
            assert inspect.getdoc(kind) and not inspect.getdoc(kind).startswith(f"{name}(")  # noqa: PT018
            lines = [line.strip() for line in inspect.getsource(kind).splitlines()]
            for field in fields(kind):
                if field.name not in kind.__annotations__:
                    continue
                at = next(n for n, line in enumerate(lines) if line.startswith(f"{field.name}: "))
                if not lines[at - 1].startswith("#"):
                    silent.append(f"{name}.{field.name}")
    assert silent == []
