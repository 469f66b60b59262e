"""Where we differ from the crate on purpose. Nothing else may differ."""

_MORE = "we accept it, the crate does not: harmless forms"
_ZONE = "a timestamp is in UTC; the crate fails on the zone of one"
_LETTERS = "a loop over a text walks by character; the crate panics on combined ones"
_NAMES = "an unknown name is refused even where it is never reached"

REASONS = {
    "{##}": _MORE,
    "{{ deep[`a`].b.c }}": _MORE,
    "{% for k , v in env %}{{ k }}{% endfor %}": _MORE,
    "{% if name | badfilter %}a{% endif %}": _NAMES,
    "{{ timestamp | date(format='%z %:z %Z %+ %f %.f %.3f %.6f %3f') }}": _ZONE,
    "{% for x in lines %}{{ x }}.{% else %}none{% endfor %}": _LETTERS,
}


def reason(template: str) -> str:
    """Why the crate answers otherwise, or nothing."""
    return REASONS.get(template, "")
