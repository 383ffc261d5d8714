"""The table of commands: what exists, where it lives and what it is for. It imports nothing heavy.

A command `name` with target `module:function` is `function(args, out) -> int` in that module, with
its arguments declared by `add_<function>(parser)` beside it (`add(parser)` for a function `run`).
A name of two words is a command of a group.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One row of the table."""

    name: str
    target: str
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Commands that belong together, under a heading that says when one needs them."""

    title: str
    commands: tuple[Command, ...]


def _row(name: str, target: str, summary: str) -> Command:
    return Command(name=name, target=f"tamid.cli.{target}", summary=summary)


TABLE: tuple[Group, ...] = (
    Group(
        title="Begin",
        commands=(
            _row("demo", "demo:demo", "play one year of a telecom operator in minutes"),
            _row("init", "setup:init", "make a workspace, empty or with a worked example"),
            _row("adopt", "adopting:adopt", "draft a contract from a file of data"),
            _row("contract check", "contract:check", "name every problem of a contract"),
            _row("contract show", "contract:show", "show every key and who owns it"),
            _row("contract diff", "contract:diff", "compare two contracts: what must be done?"),
            _row("contract schema", "contract:schema", "print the JSON Schema for editors"),
            _row("contract adopt", "setup:adopt", "bring the contract into force for new runs"),
            _row("plan", "planning:plan", "say what the data can show, before any training"),
            _row("doctor", "doctor:doctor", "look whether everything needed is there"),
        ),
    ),
    Group(
        title="Run the loop",
        commands=(
            _row("tick", "ticking:tick", "turn the loop once for every model"),
            _row("watch", "watching:watch", "turn it on schedule, and early when data comes"),
            _row("train", "training:train", "start a run now, or work on a case"),
            _row("test", "testing:run_all", "test your feature and model code, and run your tests"),
            _row("register", "registering:register", "hand over a model that was made elsewhere"),
            _row("actions", "actions:actions", "show what campaigns did and what offers brought"),
            _row("actions add", "actions:add", "take in a file of who got which offer when"),
            _row("score", "training:score", "score and deliver what is due now"),
            _row("serve", "serve:serve", "answer requests for a model, and follow its releases"),
            _row("export image", "exporting:image", "write server and model as a container image"),
            _row("mirror", "mirroring:mirror", "show what happened on an MLflow server"),
            _row("drill", "drilling:drill", "break a running server, and see every rung hold"),
        ),
    ),
    Group(
        title="See how things stand",
        commands=(
            _row("status", "status:status", "is the service healthy, is the model still right?"),
            _row("lifecycle", "lifecycle:lifecycle", "the seven stages, who leads, how far it is"),
            _row("why", "inspect:why", "explain any decision with its evidence"),
            _row("why latency", "slowness:latency", "name what made the server slower"),
            _row("models", "status:models", "list the versions"),
            _row("runs", "runs:runs", "list runs and experiments, with what they rest on"),
            _row("runs show", "runs:show", "tell all about one run"),
            _row("runs page", "runs_page:page", "draw runs, trials and features on one page"),
            _row("runs diff", "runs:diff", "say in what two runs differ, and what it did"),
            _row("cleaning", "cleaning:cleaning", "show what each cleaning step did to the rows"),
            _row("improve", "improving:improve", "measure which next step would help most"),
            _row("feedback", "feedback:feedback", "write what production knows, for its developer"),
            _row("features", "features:features", "show feature views, owners, and who uses what"),
            _row("features diff", "features:diff", "say which models a changed view touches"),
            _row("features schema", "features:schema", "print the JSON Schema of feature views"),
            _row("which", "inspect:which", "say which version was live on a date, and why"),
            _row("log", "inspect:log", "print what happened, in plain words"),
        ),
    ),
    Group(
        title="Decide",
        commands=(
            _row("approve", "people:approve", "agree to a release"),
            _row("reject", "people:reject", "refuse a release"),
            _row("accept-normal", "normal:accept_normal", "take a drift for the new normal"),
            _row("rollback", "people:rollback", "bring an earlier version back at once"),
            _row("pause", "people:pause", "stop training and releasing; scoring goes on"),
            _row("resume", "people:resume", "let the loop act again"),
            _row("retire", "retiring:retire", "take a model out of service; its record stays"),
            _row("cases", "casework:cases", "list the cases, or show one"),
            _row("cases comment", "casework:comment", "add to a case what was learnt"),
            _row("cases resolve", "casework:resolve", "close a case by hand"),
            _row("review", "reviews:review", "list the answers that were left to a person"),
            _row("review decide", "reviews:decide", "say what such an answer should have been"),
        ),
    ),
    Group(
        title="Keep the workspace",
        commands=(
            _row("backup", "keeping:backup", "copy it whole to a new folder, while the loop turns"),
            _row("restore", "keeping:restore", "compare a backup byte by byte, and put it back"),
            _row("gc", "collecting:gc", "clear away what nobody needs, and say what stays"),
            _row("upgrade", "upgrading:upgrade", "bring the store to this version's format"),
        ),
    ),
    Group(
        title="Prove",
        commands=(
            _row("keys", "keys:list_keys", "list the keys that sign bundles"),
            _row("keys rotate", "keys:rotate", "sign with a new key from now on"),
            _row("keys revoke", "keys:revoke", "trust a key no longer"),
            _row("keys trust", "keys:trust", "trust another workspace's public key"),
            _row("keys export", "keys:export", "write a public key for those who verify"),
            _row("skew", "skew:skew", "recompute served answers with the training code"),
            _row("explain", "explaining:explain", "tell all that is known of an entity or answer"),
            _row("erase", "erasing:erase", "forget who an entity is, wherever it is stored"),
            _row("reproduce", "reproduce:reproduce", "train a run again, and compare every byte"),
            _row("verify", "checking:verify", "check the ledger and all content that it names"),
            _row("replay", "replay:replay", "repeat decisions, try loop or policies on history"),
            _row("tune-policy", "policies:tune_policy", "find the retraining that costs least"),
        ),
    ),
)


def commands(table: tuple[Group, ...] = TABLE) -> dict[str, Command]:
    """Return the commands by name, in the order of the table."""
    return {command.name: command for group in table for command in group.commands}
