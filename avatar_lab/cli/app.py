"""The commands, and what becomes of errors.

Exit codes: 0 done; 2 wrong use or bad input, with one clear line on stderr; 1 our fault, with a traceback to
report. What is peculiar: typer's own error box is replaced by one line, and every heavy import waits inside a
command, so that `--help` answers at once.
"""

from __future__ import annotations

import errno
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from avatar_lab.cli import (
    bench,
    demo,
    doctor_command,
    evaluate,
    import_published,
    notebooks,
    react,
    train,
    verify,
)
from avatar_lab.errors import AvatarLabError

# typer brings its own copy of click's errors, or the real ones, depending on its version; both are bases of this one.
UsageError: Any = typer.BadParameter.__mro__[1]
MACHINE_ERRORS = {
    errno.ENOSPC,
    errno.EROFS,
    errno.EACCES,
    errno.EDQUOT if hasattr(errno, "EDQUOT") else errno.ENOSPC,
}

INTERRUPTED = 130  # as shells say it

app = typer.Typer(
    help="Learn, rebuild and try real-time interactive head avatars.",
    epilog="Start with: avatar-lab demo",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("doctor")(doctor_command.doctor)
app.command("demo")(demo.demo)
app.command("react")(react.react)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("bench")(bench.bench)
app.command("verify")(verify.verify)
app.command("notebooks")(notebooks.notebooks)
app.command("import-published")(import_published.import_published)


def say_version(asked: bool) -> bool:
    """Print the version and end, when asked."""
    if asked:
        from importlib.metadata import version

        typer.echo(f"avatar-lab {version('avatar-lab')}")
        raise typer.Exit
    return asked


@app.callback()
def welcome(
    version: Annotated[
        bool, typer.Option("--version", callback=say_version, is_eager=True, help="Say which one this is.")
    ] = False,
) -> None:
    """Learn, rebuild and try real-time interactive head avatars."""


def one_line(error: BaseException | str) -> str:
    """Join a message of several lines into one."""
    return " ".join(str(error).split())


def complain(message: str) -> None:
    """Say it on stderr, in one plain line."""
    typer.echo(f"avatar-lab: {message}", err=True)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code; never lets an exception out."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    command = typer.main.get_command(app)
    try:
        code = command.main(args=given or ["--help"], prog_name="avatar-lab", standalone_mode=False)
    except UsageError as error:
        context = getattr(error, "ctx", None)
        hint = f" Try: {context.command_path} --help" if context else ""
        complain(one_line(error.format_message()).rstrip(".") + "." + hint)
        return 2
    except AvatarLabError as error:
        complain(one_line(error))
        return 2
    except (KeyboardInterrupt, typer.Abort):
        complain("stopped.")
        return INTERRUPTED
    except OSError as error:
        if error.errno in MACHINE_ERRORS:
            complain(
                f"{error.strerror}: {error.filename or 'while writing'}. Free some space or choose another place."
            )
            return 2
        return our_fault()
    except Exception:
        return our_fault()
    if code == INTERRUPTED:
        complain("stopped.")
    return code if isinstance(code, int) else 0


def our_fault() -> int:
    """Print the traceback being handled and say that it is not the user's mistake."""
    traceback.print_exc(file=sys.stderr)
    complain("this is our fault, not yours. Please report the lines above.")
    return 1
