"""The command ``provender``. Heavy imports happen inside the commands: ``--help`` stays fast."""

import click

from provender.cli.access import access
from provender.cli.audit import audit
from provender.cli.backup import backup, restore
from provender.cli.catalog import catalog
from provender.cli.contracts import contract
from provender.cli.datasets import dataset
from provender.cli.editing import edit, history
from provender.cli.erasures import erase
from provender.cli.features import features, push
from provender.cli.governance import governance
from provender.cli.inbox import inbox
from provender.cli.lifecycle import steps
from provender.cli.lineage import lineage
from provender.cli.lookuplog import lookup_log
from provender.cli.models import model
from provender.cli.online import online
from provender.cli.output import ErrorsInWords
from provender.cli.policy import policy
from provender.cli.requests import COMMANDS as REQUESTS
from provender.cli.search import search
from provender.cli.serve import down, serve, up
from provender.cli.status import status
from provender.cli.tenure import COMMANDS as TENURE
from provender.cli.tokens import login, logout, token
from provender.cli.training import training
from provender.cli.upkeep import fsck


@click.group(cls=ErrorsInWords, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="provender", prog_name="provender")
def main() -> None:
    """The feature store and data catalog that stands in the read path.

    State is kept in PROVENDER_HOME (default ./.provender). Whoever asks is PROVENDER_ACTOR.
    Every command that lists or shows takes --json.
    """


for command in (*REQUESTS, *TENURE):
    access.add_command(command)
for step in (*steps, edit, history):
    dataset.add_command(step)
online.add_command(lookup_log)
for command in (
    access,
    audit,
    backup,
    catalog,
    contract,
    dataset,
    down,
    erase,
    features,
    fsck,
    governance,
    inbox,
    lineage,
    model,
    online,
    policy,
    push,
    restore,
    search,
    serve,
    login,
    logout,
    status,
    token,
    training,
    up,
):
    main.add_command(command)
