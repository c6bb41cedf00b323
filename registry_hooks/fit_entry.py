"""What a worker starts for each fit: `python -P -m registry_hooks.fit_entry`.

Reads one JSON line from stdin (nothing secret shows in the process list), fits, and leaves the
outcome in a file. When stdin closes, the worker is gone, and so is this process and its group.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flipad_ops.common import log
from flipad_ops.common.child_process import end_with, limit_memory, settle_environment
from flipad_ops.common.redaction import scrub

if TYPE_CHECKING:
    from registry_hooks.hook_settings import HookSettings


def main() -> int:
    """Fit; 0 when an outcome that counts as success was written."""
    for each in (signal.SIGINT, signal.SIGTERM):
        # A shell's background job starts with SIGINT ignored.
        signal.signal(each, signal.default_int_handler)
    settle_environment()
    order = json.loads(sys.stdin.readline())
    log.from_environment()
    log.context(model=order["uri"])
    end_with(sys.stdin)
    limit_memory(float(order["settings"]["memory_limit_gb"]))
    result = Path(order["result"])
    outcome = _fit(order)
    part = result.with_suffix(".part")
    part.write_text(json.dumps(outcome), encoding="utf-8")
    part.replace(result)
    return 0 if "attributor" in outcome else 1


def _fit(order: Mapping[str, Any]) -> dict[str, Any]:
    import traceback

    from flipad_ops.common.errors import FlipadError, first_line
    from registry_hooks.hook_settings import HookSettings

    settings = HookSettings(**order["settings"])
    try:
        if settings.project:
            return _run_project(settings, str(order["uri"]))
        return _run_here(settings, str(order["uri"]))
    except FlipadError as error:
        log.end(str(error), 1)
        found = {"error": type(error).__name__, "message": scrub(str(error))}
        remedy = getattr(error, "remedy", "")
        return found | ({"figures": {"remedy": scrub(str(remedy))[:1000]}} if remedy else {})
    except KeyboardInterrupt:
        return {"error": "Interrupted", "message": "The fit was interrupted."}
    except Exception as error:  # the worker decides about another try
        traceback.print_exc()
        name = type(error).__name__
        return {"error": name, "message": scrub(f"{name}: {first_line(error)}")[:300]}


def _run_here(settings: HookSettings, uri: str) -> dict[str, Any]:
    from flipad_ops.common.progress import stages
    from flipad_ops.common.tracing import fit_span
    from flipad_ops.workflows.fit import fit

    with stages() as shown, fit_span(shown, model=uri) as progress:
        outcome = fit(settings.request(uri), progress)
    sys.stdout.write(outcome.text())
    if outcome.held_back:
        return _weak(f"{outcome.attributor}/{outcome.version}", outcome.weak)
    attributor, figures = f"{outcome.attributor}/{outcome.version}", _figures(outcome.evaluation)
    return {"attributor": attributor, "status": outcome.status, "figures": figures}


def _figures(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """TPR and the worst false positive rate, as far as they are measured."""
    from flipad_ops.attribution.words_of_rates import stated

    if not evaluation:  # the attributor was there already
        return {}
    worst = [rate["value"] for rate in stated(evaluation).values()]
    return {"tpr": evaluation["tpr"]["value"], **({"fpr": max(worst)} if worst else {})}


def _weak(attributor: str, why: str) -> dict[str, Any]:
    """Registered and not published: nothing to try again, and something for a person to look at."""
    return {"error": "WeakFit", "message": f"{attributor} is weak and not published. {why}"}


def _run_project(settings: HookSettings, uri: str) -> dict[str, Any]:
    import mlflow
    from mlflow.exceptions import ExecutionException

    from flipad_ops.registry import tags
    from flipad_ops.registry.attributors import find_attributor
    from flipad_ops.registry.store import tracking
    from flipad_ops.registry.uris import parse_model, resolve

    # A local project runs the `python` it finds: this one.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    if settings.registry:
        os.environ["MLFLOW_TRACKING_URI"] = settings.registry
    with tracking(settings.registry) as client, tempfile.TemporaryDirectory() as folder:
        resolve(client, parse_model(uri))
        try:
            mlflow.projects.run(  # type: ignore[no-untyped-call]
                settings.project,
                entry_point="fit",
                parameters=_parameters(settings, uri, Path(folder)),
                experiment_name=settings.request(uri).experiment,
                backend=settings.backend,
                backend_config=settings.backend_config or None,
                env_manager="local" if settings.backend == "local" else None,
            )
        except ExecutionException as error:
            version = resolve(client, parse_model(uri))
            weak = find_attributor(client, version, settings.config_sha256())
            if weak is not None and (why := tags.held_back(weak.tags)):
                return _weak(f"{weak.name}/{weak.version}", why)
            failed = version.tags
            lost = failed.get(tags.STATUS) == tags.UNATTRIBUTABLE
            return {
                "error": "NotAttributable" if lost else "ProjectFailed",
                "message": failed.get(tags.REASON) or str(error),
            }
        attributor = resolve(client, parse_model(uri)).tags.get(tags.ATTRIBUTOR)
    if not attributor:
        return {"error": "ProjectFailed", "message": "The project left no attributor."}
    return {"attributor": attributor, "status": "fitted"}


def _parameters(settings: HookSettings, uri: str, folder: Path) -> dict[str, Any]:
    request = settings.request(uri)
    parameters = {
        "model_uri": uri,
        "negatives": ",".join(request.negatives),
        "negatives_models": ",".join(request.negatives_models),
        "recipe": request.recipe,
        "seed": request.seed,
        "device": request.device,
        "allow_pickle": str(request.allow_pickle).lower(),
    }
    if not request.registry:
        parameters["registry"] = "false"
    if request.data_docs:
        parameters["data_docs"] = "true"
    if request.accept_weak:
        parameters["accept_weak"] = request.accept_weak
    if settings.needs_file():
        path = folder / "settings.json"
        path.write_text(json.dumps(request.fit_settings().to_dict()), encoding="utf-8")
        parameters["settings"] = str(path)
    return parameters


if __name__ == "__main__":
    sys.exit(main())
