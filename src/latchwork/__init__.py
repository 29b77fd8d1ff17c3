"""Latchwork: Python functions as tasks on any number of machines, with exclusive and shared resources, on PostgreSQL.

The one public door. What is not listed in ``__all__`` may change without notice.
"""

from __future__ import annotations

from latchwork._version import __version__
from latchwork.app import App, Call, TaskFunction
from latchwork.core.task import Task
from latchwork.errors import (
    ArgumentsError,
    ConfigError,
    DatabaseError,
    DatabaseUnavailable,
    IdConflict,
    InputError,
    IsolationError,
    LatchworkError,
    LeaseLost,
    PayloadError,
    ResourceError,
    SchemaMismatch,
    TaskNotFound,
    UnknownTask,
    WaitTimeout,
)
from latchwork.executor.context import current_task

__all__ = [
    "App",
    "ArgumentsError",
    "Call",
    "ConfigError",
    "DatabaseError",
    "DatabaseUnavailable",
    "IdConflict",
    "InputError",
    "IsolationError",
    "LatchworkError",
    "LeaseLost",
    "PayloadError",
    "ResourceError",
    "SchemaMismatch",
    "Task",
    "TaskFunction",
    "TaskNotFound",
    "UnknownTask",
    "WaitTimeout",
    "__version__",
    "current_task",
]
