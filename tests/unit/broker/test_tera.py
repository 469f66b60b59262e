"""The template language: the crate's recorded answers, errors with a line, and bounds."""

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokkr_broker import tera
from brokkr_broker.tera.filters import FILTERS
from oracle.tera.departures import REASONS
from oracle.tera.snippets import CONTEXT, snippets

ANSWERS = Path(__file__).parents[2] / "oracle/tera/answers.jsonl"


def render(template: str, limits: tera.Limits | None = None, **parameters: object) -> str:
    return tera.render(tera.parse(template), parameters, limits)


def test_every_answer_of_the_crate_is_ours() -> None:
    recorded = dict(json.loads(line) for line in ANSWERS.read_text().splitlines())
    assert set(recorded) == set(snippets()), "make tera-oracle records the answers anew"
    different = []
    for template, output in recorded.items():
        try:
            mine = tera.render(tera.parse(template), CONTEXT)
        except tera.TemplateError:
            mine = None
        if mine != output:
            different.append(template)
    assert sorted(different) == sorted(REASONS)


@pytest.mark.parametrize(
    ("template", "line", "words"),
    [
        ("a\n{{ nme }}", 2, "`nme` is not defined"),
        ("a\n\n{{ name | uper }}", 3, "no filter `uper`"),
        ("{% if x %}\n", 1, "`endif` is missing"),
        ("\n{% for x in y %}{% endif %}", 2, "`endif` has no place here"),
        ("{{ get_env(name='HOME') }}", 1, "no function `get_env`"),
        ("x\n{{ 1 + 'a' }}", 2, "expected"),
        ("{{ a\n | replace(from=1,\n to='b') }}", 1, "takes a text as `from`, not number"),
        ("{% include 'x' %}", 1, "stands alone"),
        ("\n{{ throw(message='wrong size') }}", 2, "wrong size"),
    ],
)
def test_errors_name_the_line_and_the_thing(template: str, line: int, words: str) -> None:
    with pytest.raises(tera.TemplateError, match=words) as caught:
        render(template, a="x", name="x")
    assert caught.value.line == line


_DOUBLED = "{% set s = [1] %}{% for i in range(end=60) %}{% set_global s = [s, s] %}{% endfor %}"


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(end=9999) %}{% for b in range(end=9999) %}{% endfor %}{% endfor %}",
        _DOUBLED.replace("[s, s]", "s ~ s").replace("[1]", "'a'"),
        _DOUBLED.replace("[s, s]", "s | concat(with=s)"),
        _DOUBLED + "{{ s }}",
        _DOUBLED + "{{ s | json_encode }}",
        _DOUBLED.replace("60", "9000").replace("[s, s]", "[s]") + "{{ s }}",
        "{{ range(end=99999999999) }}",
        "{% macro m() %}{{ self::m() }}{% endmacro %}{{ self::m() }}",
        "{{ 'aaaaaaaa' | replace(from='a', to='" + "b" * 500_000 + "') }}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{{ 1" + " + 1" * 50_000 + " }}",
        "{% if x %}" * 3000 + "{% endif %}" * 3000,
        "{{ a" + "[a" * 3000 + "]" * 3000 + " }}",
    ],
    ids=range(13),
)
def test_what_it_uses_up_is_bounded(template: str) -> None:
    with pytest.raises(tera.TemplateError):
        render(template, tera.Limits(steps=100_000, size=1_000_000, items=10_000))


@given(st.text(alphabet="{}%#-abx ()[]|.,='\"`~<>!+*/01\nifendorstl", max_size=80))
def test_any_text_is_a_template_or_an_error(text: str) -> None:
    with contextlib.suppress(tera.TemplateError):
        render(text, a={"b": [1, "x"]}, x="y")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.sampled_from(sorted(FILTERS)), JSON)
def test_any_value_goes_through_any_filter_or_fails_cleanly(name: str, value: object) -> None:
    arguments = "attribute='a', n=1, format='%Y%j', pat='a', from='a', to='b', key='a', with=1"
    with contextlib.suppress(tera.TemplateError):
        render(f"{{{{ v | {name}({arguments}) }}}}", v=value)
