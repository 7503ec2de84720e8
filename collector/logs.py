"""Logs go to standard error: standard output carries data only."""

import logging

import structlog

from .settings import Settings


def log_to_stderr(settings: Settings) -> None:
    """Lines for people or for machines, as the settings say; the web framework speaks only when
    something is wrong."""
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    render: list[structlog.typing.Processor]
    if settings.log_format == "json":
        render = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    else:
        render = [structlog.processors.format_exc_info, _line]
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                stamp,
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    for name in ("sanic", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # A sender's mistakes are answered, not logged, so that nobody can fill the log from outside.
    logging.getLogger("sanic.error").addFilter(
        lambda record: "body not consumed" not in record.getMessage()
    )


def _line(_: object, __: str, event: structlog.typing.EventDict) -> str:
    # One line for one event, whatever is in it: a line break from outside must not look like a line
    # of ours.
    exception = event.pop("exception", None)
    text = str(event["event"]).replace("\n", "\\n").replace("\r", "\\r")
    line = f"{event['timestamp']} {event['level']:<7} {event['logger']}: {text}"
    return f"{line}\n{exception}" if exception else line
