"""The verbs of the command line, in the order of the pipeline."""

from contextvars import ContextVar
from typing import Annotated

import typer

from kuberec import __version__
from kuberec.cli import data, gitops, judging, modelling, pipeline, serving
from kuberec.cli.flags import ServeCommand

_DEBUG: ContextVar[bool] = ContextVar("debug", default=False)

app = typer.Typer(
    name="kuberec",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def debugging() -> bool:
    """Whether the command line asked for tracebacks."""
    return _DEBUG.get()


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kuberec {__version__}")
        raise typer.Exit


@app.callback()
def kuberec(
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback with an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """From raw interaction events to a live, honestly judged recommender.

    `kuberec demo` shows everything once. `kuberec run` does it on your own data. The other verbs are its single steps.
    """
    _DEBUG.set(debug)


STEPS, WHOLE, LIVE = "Single steps", "Everything at once", "Serving"

app.command(rich_help_panel=WHOLE)(pipeline.demo)
app.command(rich_help_panel=WHOLE)(pipeline.run)
app.command(rich_help_panel=LIVE, cls=ServeCommand)(serving.serve)
app.command(rich_help_panel=LIVE)(serving.recommend)
app.command(rich_help_panel=LIVE)(gitops.rollback)
app.command(rich_help_panel=LIVE)(gitops.history)
app.command("sync-models", rich_help_panel=LIVE)(gitops.sync_models)
app.command(rich_help_panel=STEPS)(data.ingest)
app.command(rich_help_panel=STEPS)(data.validate)
app.command(rich_help_panel=STEPS)(data.split)
app.command(rich_help_panel=STEPS)(data.featurize)
app.command(rich_help_panel=STEPS)(modelling.train)
app.command(rich_help_panel=STEPS)(judging.evaluate)
app.command(rich_help_panel=STEPS)(modelling.export)
app.command("validate-export", rich_help_panel=STEPS)(modelling.validate_export)
app.command(rich_help_panel=STEPS)(judging.gate)
app.command(rich_help_panel=STEPS)(gitops.promote)
