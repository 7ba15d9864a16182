"""Options that several commands share, declared once."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from livedetect.settings import Settings

LOG_BYTES_MAX = 5 * 2**20
LOG_FILES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What a user can say about a run, beside its source; every field is an option."""

    events: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write events as JSON Lines; - is standard output."),
    ] = None
    record: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Record frames and results as a session, to replay it."),
    ] = None
    report: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write an HTML report with pictures at the end."),
    ] = None
    view: Annotated[
        bool | None,
        typer.Option("--view/--no-view", help="Open the viewer; default: if it can be shown."),
    ] = None
    publish: Annotated[
        str | None,
        typer.Option(
            metavar="ENDPOINT",
            help="Publish results for viewers, for example at tcp://127.0.0.1:5591, and beyond "
            "this computer at tcp://HOST:PORT?curve=producer.key; or none.",
        ),
    ] = None
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Settings from a TOML file.")
    ] = None
    set: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Change a setting; may be repeated."),
    ] = None
    frames: Annotated[int | None, typer.Option(metavar="N", min=1, help="End after N frames.")] = (
        None
    )
    idle_timeout: Annotated[
        float | None,
        typer.Option(metavar="S", min=0.1, help="End when no frame has come for S seconds."),
    ] = None
    log: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a log, for finding faults.")
    ] = None

    def settings(self, recorded: Settings | None = None) -> Settings:
        """Settings from the file or else `recorded`, then ``--set``; raises `SettingsError`."""
        from livedetect.settings import Settings

        settings = Settings.from_toml(self.config) if self.config else recorded or Settings()
        return settings.with_assignments(self.set or ())

    def start_log(self) -> None:
        """Let the log go to its file, which stays below 15 MiB with its predecessors.

        Without a file nobody sees it: Python would put its tracebacks on the terminal.
        """
        import logging

        if self.log is None:
            logging.getLogger("livedetect").addHandler(logging.NullHandler())
            return
        from logging.handlers import RotatingFileHandler

        from livedetect.errors import SettingsError

        try:
            target = RotatingFileHandler(
                self.log, maxBytes=LOG_BYTES_MAX, backupCount=LOG_FILES - 1, encoding="utf-8"
            )
        except OSError as error:
            raise SettingsError(f"--log {self.log} cannot be written: {error.strerror}") from error
        layout = "%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s"
        logging.basicConfig(level=logging.INFO, handlers=[target], format=layout, force=True)


def with_options_of(kind: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each field of `kind`, a dataclass; it gets ``options: kind``."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        hints = typing.get_type_hints(kind, include_extras=True)
        fields = dataclasses.fields(kind)
        own = inspect.signature(command, eval_str=True).parameters
        shown = [parameter for name, parameter in own.items() if name != "options"]
        shared = [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=field.default,
                annotation=hints[field.name],
            )
            for field in fields
        ]

        @wraps(command)
        def with_options(**values: Any) -> None:
            options = kind(**{field.name: values.pop(field.name) for field in fields})
            command(**values, options=options)

        parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in shown] + shared
        with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        with_options.__annotations__ = {p.name: p.annotation for p in parameters}
        return with_options

    return decorate


with_run_options = with_options_of(RunOptions)
"""Gives a command the options of a run; it gets ``options: RunOptions``."""
