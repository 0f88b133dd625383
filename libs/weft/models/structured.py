"""A schema in words, for a server that has no mode of its own for it."""

from weft.core import JsonObject, Message, dumps

__all__ = ["schema_in_words"]


def schema_in_words(schema: JsonObject) -> Message:
    """Return what a model is told where nothing but words holds its reply to `schema`."""
    return Message.system(
        "Give your final answer as one JSON value that is valid against this JSON schema, without"
        f" any other word or fence around it:\n{dumps(schema).decode()}"
    )
