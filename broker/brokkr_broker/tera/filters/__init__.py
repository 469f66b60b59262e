"""Tera's filters: a value and named arguments to a value.

`default` and `safe` are part of the language and not in the table.
"""

from collections.abc import Callable

from brokkr_broker.tera.arguments import Arguments
from brokkr_broker.tera.filters import amounts, arrays, dates, general, texts
from brokkr_broker.tera.values import Value

Filter = Callable[[Value, Arguments], Value]

FILTERS: dict[str, Filter] = {
    **texts.FILTERS,
    **arrays.FILTERS,
    **amounts.FILTERS,
    **general.FILTERS,
    **dates.FILTERS,
}
