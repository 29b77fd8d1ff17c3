"""Every error Latchwork raises, as one tree. An error says what happened with which values, why, and what to do.

::

    LatchworkError
    ├── ConfigError               a setting, DSN or MODULE:APP is wrong or missing
    ├── InputError (ValueError)   the caller passed something that cannot be stored; nothing was stored
    │   ├── PayloadError          arguments or a result that are not exact JSON, or are too large
    │   ├── ArgumentsError        arguments that do not fit the function's signature
    │   ├── ResourceError         an empty, overlong or unusable resource name, or too many of them
    │   └── UnknownTask           a task name that the registry does not hold
    ├── DatabaseError             the database refused or could not be reached
    │   ├── DatabaseUnavailable   no connection could be had, or it broke before the answer came
    │   ├── SchemaMismatch        the schema is missing, older or newer than this code
    │   ├── IsolationError        the caller's transaction runs above READ COMMITTED
    │   └── IdConflict            the task id exists already with other content
    ├── TaskNotFound              no task has this id
    ├── WaitTimeout (TimeoutError)  the task was not final when the time was over
    ├── LeaseLost                 the token no longer owns the task: the claim was taken away
    └── ExecutorError             the template or a child process could not be started

:data:`SQLSTATES` is the one table between the SQL engine's own error codes and these classes.
"""

from __future__ import annotations


class LatchworkError(Exception):
    """Base class of all errors raised by Latchwork."""


class ConfigError(LatchworkError):
    """A setting, a DSN or a ``MODULE:APP`` is wrong or missing. The message says which, and what to set."""


class InputError(LatchworkError, ValueError):
    """The caller passed something that cannot be stored. Nothing was stored."""


class PayloadError(InputError):
    """Arguments or a result are not exact JSON or exceed a limit. The message names the path of the value."""


class ArgumentsError(InputError):
    """The arguments do not fit the signature of the task's function."""


class ResourceError(InputError):
    """A resource name is empty, overlong or unusable, or a task names too many."""


class UnknownTask(InputError):
    """The registry holds no task of this name. Names are never imported because a row or a caller says so."""


class DatabaseError(LatchworkError):
    """The database refused a statement or could not be reached."""


class DatabaseUnavailable(DatabaseError):
    """No connection could be had, or it broke before the answer came. Try again; dispatches keep their id."""


class SchemaMismatch(DatabaseError):
    """The schema is missing, older or newer than this code. Run ``latchwork migrate`` or update Latchwork."""


class IsolationError(DatabaseError):
    """The caller's transaction runs above READ COMMITTED, whose snapshot is too old to take a place in line."""


class IdConflict(DatabaseError):
    """A task with this id exists already with another name. Ids are made once and used for one task."""


class TaskNotFound(LatchworkError, LookupError):
    """No task has this id, neither waiting nor in the history."""


class WaitTimeout(LatchworkError, TimeoutError):
    """The task was not final when the time given to ``wait`` was over. The task itself goes on."""


class LeaseLost(LatchworkError):
    """The token no longer owns the task, so nothing was changed."""


class ExecutorError(LatchworkError):
    """The template or a child process could not be started."""


SQLSTATES: dict[str, type[LatchworkError]] = {
    "LW001": InputError,
    "LW002": ResourceError,
    "LW003": IsolationError,
    "LW004": IdConflict,
    "LW005": SchemaMismatch,
    "LW006": TaskNotFound,
    "LW007": LeaseLost,
}
