"""The rows in SQL: what each request takes, in statements that every SQL database here knows."""

from weft.checkpoint.sql.statements import (
    Batch,
    Change,
    Lock,
    Place,
    Row,
    Rows,
    Said,
    Statement,
    Statements,
    Value,
)
from weft.checkpoint.sql.tables import LongTexts, SqlTables

__all__ = [
    "Batch",
    "Change",
    "Lock",
    "LongTexts",
    "Place",
    "Row",
    "Rows",
    "Said",
    "SqlTables",
    "Statement",
    "Statements",
    "Value",
]
