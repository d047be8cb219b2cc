# SPDX-License-Identifier: Apache-2.0
"""What the terminal can do: each command is one function of an open project that returns plain data.

The command line and the owner's socket call the same functions, so that every command works
whether or not another process serves the project.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from heptad.standards.errors import HeptadError, UnknownName, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from heptad.runtime import Platform

    Command = Callable[..., dict[str, Any]]

_LOG = logging.getLogger("heptad.commands")

COMMANDS: dict[str, str] = {
    "tables.list": "tables:list_tables",
    "tables.show": "tables:show_table",
    "tables.rows": "tables:show_rows",
    "tables.export": "tables:export_contract",
    "load": "loading:load",
    "loads": "loading:list_loads",
    "quarantine.list": "loading:list_quarantine",
    "quarantine.show": "loading:show_quarantine",
    "quarantine.retry": "loading:retry_quarantine",
    "quarantine.repair": "loading:repair_row",
    "quarantine.drop": "loading:drop_quarantine",
    "lineage": "lineage:show_lineage",
    "impact": "impact:impact",
    "tables.diff": "impact:diff",
    "names": "people:names",
    "consents": "people:consents",
    "search.text": "searching:search",
    "features.list": "features:list_features",
    "features.show": "features:show_feature",
    "features.read": "features:read_features",
    "features.history": "features:history",
    "features.page": "features:reference",
    "features.backfill": "online:backfill",
    "features.check": "online:check",
    "features.online": "online:read",
    "row.list": "rows:list_rows",
    "row.show": "rows:show_row",
    "features.plan": "engines:plan_features",
    "engine.run": "engines:run_flink",
    "train": "models:train",
    "models.list": "models:list_models",
    "models.approve": "models:approve",
    "models.challenge": "models:challenge",
    "lists.list": "lists:list_lists",
    "lists.show": "lists:show_list",
    "lists.upload": "lists:upload",
    "segments.list": "segments:list_segments",
    "segments.try": "segments:try_segment",
    "segments.declare": "segments:declare",
    "segments.put": "segments:put_on_list",
    "rules.check": "flows:check",
    "rules.test": "flows:try_rules",
    "flow.show": "flows:show",
    "flow.read": "flows:read",
    "flow.list": "flows:listed",
    "flow.propose": "flows:propose",
    "flow.approve": "flows:approve",
    "flow.publish": "flows:publish",
    "flow.withdraw": "flows:withdraw",
    "flow.change": "flows:change",
    "flow.backtest": "flows:backtest",
    "trials": "shadows:list_trials",
    "flow.shadow": "shadows:compare",
    "flow.shadow.replay": "shadows:replay",
    "eligible": "eligible:eligible",
    "flow.counts": "pace:counts",
    "flow.pace": "pace:pace",
    "card.report": "cards:report",
    "card.bins": "cards:try_bins",
    "decide": "decisions:decide",
    "decisions.list": "decisions:list_decisions",
    "explain": "decisions:explain",
    "replay": "decisions:replay",
    "export.decisions": "decisions:export_decisions",
    "log.show": "log:show_log",
    "log.verify": "log:verify_log",
    "log.checkpoint": "log:checkpoint",
    "retention": "upkeep:retention",
    "retention.persons": "retaining:persons",
    "compact": "upkeep:compact",
    "doctor": "doctor:doctor",
    "backup": "backups:backup",
    "apps.list": "apps:list_apps",
    "apps.show": "apps:show_app",
    "apps.page": "pages:show_page",
    "overview": "overview:overview",
    "search": "overview:search",
    "decisions.background": "pictures:background",
    "features.card": "pictures:feature_card",
    "features.parity": "pictures:parity",
    "models.card": "pictures:model_card",
    "tables.quality": "pictures:table_quality",
    "tables.quarantine": "pictures:table_quarantine",
    "runs": "pictures:list_runs",
    "streams": "streams:show_streams",
    "config": "upkeep:show_config",
    "explore": "exploring:explore",
    "access.list": "access:list_accesses",
    "access.verify": "access:verify_accesses",
    "subject.show": "subjects:show_subject",
    "subject.erase": "subjects:erase_subjects",
    "subject.hold": "subjects:hold_subject",
    "subject.release": "subjects:release_subject",
    "subject.revive": "subjects:revive_subject",
    "subject.report": "subjects:report_subject",
    "regime": "subjects:show_regime",
    "letter": "subjects:write_letter",
    "run": "schedule:run_job",
    "run.due": "schedule:run_due",
    "run.again": "schedule:run_again",
    "schedule": "schedule:show_schedule",
    "schedule.retry": "schedule:retry_slot",
    "alarms": "schedule:list_alarms",
    "calendars": "schedule:list_calendars",
    "calendars.show": "schedule:show_calendar",
    "calendars.renew": "schedule:renew_calendar",
    "cases.list": "cases:list_cases",
    "cases.show": "cases:show_case",
    "cases.around": "cases:surroundings",
    "cases.refer": "cases:refer",
    "cases.step": "cases:step",
    "cases.attach": "cases:attach",
    "publish": "outbox:publish",
    "outbox.list": "outbox:list_messages",
    "outbox.show": "outbox:show_message",
    "outbox.send": "outbox:send",
    "outbox.stop": "outbox:stop",
    "outbox.go_on": "outbox:go_on",
    "outbox.stops": "outbox:stops",
    "outbox.resolve": "outbox:resolve",
    "outbox.suppress": "outbox:suppress",
    "inbox": "outbox:inbox",
    "users.add": "users:add_user",
    "users.list": "users:list_users",
    "users.password": "users:change_password",
    "users.remove": "users:remove_user",
    "keys.issue": "access:issue_key",
    "keys.list": "access:list_keys",
    "keys.revoke": "access:revoke_key",
    "keys.rotate": "access:rotate_keys",
}
"""Command → module and function under `heptad.terminal.commands`."""


def find(name: str) -> Command:
    """Return the function of a command.

    Raises:
        UnknownName: if there is none of that name.
    """
    if name not in COMMANDS:
        raise UnknownName(f"There is no command {name!r}.", got=name, do=suggest(name, COMMANDS))
    module, _, function = COMMANDS[name].partition(":")
    command: Command = getattr(import_module(f"heptad.terminal.commands.{module}"), function)
    return command


def run(platform: Platform, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Run a command on an open project."""
    return find(name)(platform, **arguments)


def stream(platform: Platform, name: str, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Run a command, yielding its progress as it goes and then its result."""
    from queue import SimpleQueue
    from threading import Thread

    told: SimpleQueue[dict[str, Any] | None] = SimpleQueue()

    def work() -> None:
        try:
            more = dict(arguments)
            if name in WITH_PROGRESS:
                more["progress"] = lambda what, share: told.put({"progress": [what, share]})
            told.put({"result": run(platform, name, more)})
        except HeptadError as error:
            told.put({"error": error.to_dict() | {"exit": error.exit}})
        except Exception as error:  # noqa: BLE001 - the caller waits for an answer, whatever happens
            _LOG.exception("the command %s failed", name)
            told.put({"error": _fault(name, error)})
        finally:
            told.put(None)

    thread = Thread(target=work, name=f"command {name}", daemon=True)
    thread.start()
    while (message := told.get()) is not None:
        yield message
    thread.join()


def _fault(name: str, error: Exception) -> dict[str, Any]:
    """Tell the caller of a failure that nobody foresaw."""
    what = f"The process that holds the project failed to run {name}."
    found = HeptadError(what, got=f"{type(error).__name__}: {error}", do="see its log")
    return found.to_dict() | {"exit": found.exit}


WITH_PROGRESS = frozenset({"load", "doctor", "backup", "features.backfill", "flow.backtest"})
"""Commands that take `progress`."""
