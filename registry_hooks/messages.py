"""What is said: a payload of plain values, and its text by a template.

Keys of images and names of models are chosen by others. In text they lose their control
characters; what a channel's own format could take for markup, its sender removes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template
from jinja2.exceptions import TemplateError
from jinja2.sandbox import SandboxedEnvironment

#: Findings or failures named in one message; the rest is counted.
NAMED = 20
FINDINGS, FIT_FAILED, SCAN_FAILED, TEST = "findings", "fit_failed", "scan_failed", "test"

TITLE = """\
{% if event == "findings" %}{{ new }} new suspected leak{{ "" if new == 1 else "s" }}: \
schedule {{ scan.schedule }}
{% elif event == "fit_failed" %}{{ new }} generator version{{ "" if new == 1 else "s" }} \
without attributor
{% elif event == "scan_failed" %}Scan failed: schedule {{ scan.schedule }}
{% else %}Test message of flipad_ops{% endif %}"""
BODY = """\
{% if event == "findings" %}
{{ scan.leaks }} of {{ scan.scored }} scored images are attributed; {{ new }} were not told before.
{% for f in findings if not f %}
Its records cannot be read: see who ran it, or scan again.
{% endfor %}
{% for f in findings if f %}
{{ f.key }}
  {{ f.attributor }}, p {{ "%.2g"|format(f.p) }}, q {{ "%.2g"|format(f.q) }}, {{ f.verdict }}
{% endfor %}
{% if new > findings|length %}... and {{ new - findings|length }} more.
{% endif %}
{% if scan.said|default("") %}{{ scan.said }}
{% endif %}
Records: {{ scan.folder }}
A flag is statistical suspicion, not proof.
{% elif event == "fit_failed" %}
{% for f in failures %}
{{ f.model }}/{{ f.version }}: {{ f.reason }}
{% endfor %}
{% if new > failures|length %}... and {{ new - failures|length }} more.
{% endif %}
{% elif event == "scan_failed" %}
{{ scan.reason }}
{% if scan.said|default("") %}{{ scan.said }}
{% endif %}
Records: {{ scan.folder }}
{% else %}
If you read this, the channel works.
{% endif %}"""


@lru_cache(maxsize=64)
def compiled(text: str) -> Template:
    """A template that reaches nothing but the payload.

    Raises
    ------
    jinja2.TemplateSyntaxError
    """
    environment = SandboxedEnvironment(
        autoescape=False,  # plain text; the senders escape for their format
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.from_string(text)


def render(payload: Mapping[str, Any], title: str = "", body: str = "") -> tuple[str, str]:
    """Title (one line) and body of a payload; a template that fails gives way to ours."""
    plain = _plain(dict(payload))
    texts = []
    for own, ours in ((title, TITLE), (body, BODY)):
        try:
            texts.append(compiled(own or ours).render(plain))
        except (TemplateError, TypeError, ValueError, ArithmeticError):
            # Told in other words is better than not told.
            texts.append(compiled(ours).render(plain))
    return " ".join(texts[0].split()), texts[1].strip()


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value)
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value
