# Cases of a driver: registers them, runs them one after the other and reports each as a line of JSON.

import faulthandler
import json
import os
import sys
import traceback
from dataclasses import dataclass

# A case that hangs ends the driver, with a stack that shows where.
LONGEST_CASE_SECONDS = 90

_cases = {}


@dataclass(frozen=True)
class Server:
    """A running server of one model."""

    http: str
    grpc: str
    model_name: str
    model_path: str


def case(name):
    """Registers a function that takes the servers by their key, and raises where something is not as it should be."""

    def register(function):
        if name in _cases:
            raise ValueError(f"two cases are called {name!r}")
        _cases[name] = function
        return function

    return register


def cases_for(template, table):
    """One case for each row, which follows the servers as arguments; its first element completes the name."""

    def register(function):
        for row in table:
            row = row if isinstance(row, tuple) else (row,)
            case(template.format(row[0]))(lambda servers, row=row: function(servers, *row))
        return function

    return register


def main():
    """`list` prints the names of all cases; `run` reads the servers from standard input and runs all cases."""
    # Clients print as they like: only reports may reach standard output.
    reports = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if sys.argv[1:] == ["list"]:
        print(json.dumps(list(_cases)), file=reports)
    elif sys.argv[1:] == ["run"]:
        servers = {key: Server(**fields) for key, fields in json.load(sys.stdin).items()}
        for name, function in _cases.items():
            print(json.dumps(_report(name, function, servers)), file=reports, flush=True)
    else:
        sys.exit("usage: DRIVER (list | run)")


def _report(name, function, servers):
    faulthandler.dump_traceback_later(LONGEST_CASE_SECONDS, exit=True)
    try:
        function(servers)
        return {"name": name, "ok": True, "detail": ""}
    except Exception:
        return {"name": name, "ok": False, "detail": traceback.format_exc()}
    finally:
        faulthandler.cancel_dump_traceback_later()
