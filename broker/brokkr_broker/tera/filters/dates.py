"""The `date` filter: chrono's format language on timestamps and RFC 3339 texts."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from brokkr_broker.tera.arguments import Arguments
from brokkr_broker.tera.values import Value, kind

_SPECIFIER = re.compile(r"%([-_0]?)(:{0,3}z|\+|\.?[369]?f|.)", re.DOTALL)
_SHORTHANDS = {
    "D": "%m/%d/%y", "x": "%m/%d/%y", "F": "%Y-%m-%d", "v": "%e-%b-%Y", "R": "%H:%M",
    "T": "%H:%M:%S", "X": "%H:%M:%S", "r": "%I:%M:%S %p", "c": "%a %b %e %H:%M:%S %Y",
}  # fmt: skip
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)?")


def _offset(moment: datetime, separator: str) -> str:
    minutes = round((moment.utcoffset() or timedelta()).total_seconds() / 60)
    sign = "-" if minutes < 0 else "+"
    hours, rest = divmod(abs(minutes), 60)
    return f"{sign}{hours:02}{separator}{rest:02}"


def _fraction(moment: datetime, form: str) -> str:
    """`%f`, `%.f`, `%.3f`, `%3f`: nanoseconds, of which a template has microseconds."""
    digits = f"{moment.microsecond:06}000"
    width = next((int(c) for c in form if c.isdigit()), 0)
    shown = digits[:width] if width else digits
    if form == ".f" and not width:
        shown = digits.rstrip("0")
        shown += "0" * (-len(shown) % 3)
        return f".{shown}" if shown else ""
    return f".{shown}" if form.startswith(".") else shown


Number = tuple[Callable[[datetime], int], int, str]
_NUMBERS: dict[str, Number] = {
    "Y": (lambda m: m.year, 4, "0"),
    "C": (lambda m: m.year // 100, 2, "0"),
    "y": (lambda m: m.year % 100, 2, "0"),
    "m": (lambda m: m.month, 2, "0"),
    "d": (lambda m: m.day, 2, "0"),
    "e": (lambda m: m.day, 2, " "),
    "H": (lambda m: m.hour, 2, "0"),
    "k": (lambda m: m.hour, 2, " "),
    "I": (lambda m: (m.hour + 11) % 12 + 1, 2, "0"),
    "l": (lambda m: (m.hour + 11) % 12 + 1, 2, " "),
    "M": (lambda m: m.minute, 2, "0"),
    "S": (lambda m: m.second, 2, "0"),
    "j": (lambda m: m.timetuple().tm_yday, 3, "0"),
    "u": (lambda m: m.isoweekday(), 1, "0"),
    "w": (lambda m: m.isoweekday() % 7, 1, "0"),
    "G": (lambda m: m.isocalendar().year, 4, "0"),
    "g": (lambda m: m.isocalendar().year % 100, 2, "0"),
    "V": (lambda m: m.isocalendar().week, 2, "0"),
    "U": (lambda m: (m.timetuple().tm_yday + 6 - m.isoweekday() % 7) // 7, 2, "0"),
    "W": (lambda m: (m.timetuple().tm_yday + 6 - m.weekday()) // 7, 2, "0"),
    "s": (lambda m: int(m.timestamp()), 1, "0"),
}
_WORDS: dict[str, Callable[[datetime], str]] = {
    "a": lambda m: f"{m:%a}",
    "A": lambda m: f"{m:%A}",
    "b": lambda m: f"{m:%b}",
    "h": lambda m: f"{m:%b}",
    "B": lambda m: f"{m:%B}",
    "p": lambda m: "AM" if m.hour < 12 else "PM",
    "P": lambda m: "am" if m.hour < 12 else "pm",
    "Z": lambda m: m.tzname() or "" if isinstance(m.tzinfo, ZoneInfo) else _zone(m),
    "z": lambda m: _offset(m, ""),
    ":z": lambda m: _offset(m, ":"),
    "+": lambda m: m.isoformat(),
    "%": lambda _: "%",
    "n": lambda _: "\n",
    "t": lambda _: "\t",
}
_PADDING = {"-": "", "_": " ", "0": "0"}


def _zone(moment: datetime) -> str:
    return "UTC" if moment.tzinfo is UTC else _offset(moment, ":")


def date_(value: Value, args: Arguments) -> Value:
    form, zone = args.text("format", "%Y-%m-%d"), args.text("timezone", "")
    moment = _moment(value, args)
    if zone:
        try:
            moment = moment.astimezone(ZoneInfo(zone))
        except (KeyError, ValueError, OSError) as e:
            raise args.wrong(f"does not know the time zone `{zone}`") from e
    return _format(moment, form, args)


def _format(moment: datetime, form: str, args: Arguments) -> str:
    def part(found: re.Match[str]) -> str:
        pad, letter = found[1], found[2]
        if letter in _SHORTHANDS and not pad:
            return _format(moment, _SHORTHANDS[letter], args)
        if letter in _NUMBERS:
            number, width, fill = _NUMBERS[letter]
            fill = _PADDING.get(pad, fill)
            return f"{number(moment):{fill}>{width}}" if fill else str(number(moment))
        if letter.endswith("f") and not pad:
            return _fraction(moment, letter)
        if letter in _WORDS and not pad:
            return _WORDS[letter](moment)
        raise args.wrong(f"does not know the format `{found[0]}`")

    if re.sub(_SPECIFIER, "", form).count("%"):
        raise args.wrong(f"does not know the format `{form}`")
    return _SPECIFIER.sub(part, form)


def _moment(value: Value, args: Arguments) -> datetime:
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, str) and "T" in value:
            if not _DATE_TIME.fullmatch(value):
                raise ValueError
            moment = datetime.fromisoformat(value.upper())
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if isinstance(value, str):
            day = date.fromisoformat(value) if len(value) == 10 else None
            if day is None:
                raise ValueError
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
    except (ValueError, OverflowError, OSError) as e:
        raise args.wrong(f"cannot read {value!r:.50} as a date") from e
    raise args.wrong(f"takes a timestamp or a text, not {kind(value)}")


FILTERS = {"date": date_}
