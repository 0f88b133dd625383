"""Source as the code analyst sees it."""

import ast

from services.code_analyst.source import Module


def module(text: str, *, name: str = "app.py") -> Module:
    return Module(name, name.removesuffix(".py"), ast.parse(text), tuple(text.splitlines()))
