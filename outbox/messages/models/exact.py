"""Makes models refuse what a conversion would change: pydantic by itself makes False of "false"."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sized
from datetime import date
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ValidationInfo, ValidatorFunctionWrapHandler, WrapValidator

from outbox.messages.models.constraints import is_function
from outbox.messages.models.containers import Items, Row, Table
from outbox.messages.models.forms import Form, Inside, Unfit, short
from outbox.messages.models.model import Fields, Root
from outbox.messages.models.numbers import Double, Exact, Truth
from outbox.messages.models.scalars import Day, Moment, TimeOfDay
from outbox.messages.models.union import Union

_CONVERTING = (Double, Exact, Truth, Moment, Day, TimeOfDay)
_DOUBLE_DIGITS = 15
"""As many digits of a JSON number are the same after it was a double."""


class Checked(WrapValidator):
    """A validator that refuses what the one inside it has changed. The class is its mark."""


def keep_exact(form: Fields) -> None:
    """Makes the model, and those inside it, refuse a value that a conversion would change."""
    _keep_exact(form, {})


def _keep_exact(form: Form, seen: dict[type, bool]) -> bool:
    """Tells whether there is a check in the form now. Builds each model with one anew, after those inside it."""
    if isinstance(form, (Fields, Root)) and form.cls in seen:
        return seen[form.cls]
    checked = [_keep_exact(part, seen) for part in _parts(form)]
    if not isinstance(form, (Fields, Root)):
        return any(checked)
    # Also one whose own checks were there before: it may have been built before those of a model inside it.
    seen[form.cls] = any([_add_checks(form), *checked])
    if seen[form.cls]:
        form.cls.model_rebuild(force=True)
    return seen[form.cls]


def _parts(form: Form) -> Iterable[Form]:
    match form:
        case Fields():
            return [field.form for field in form.stored.values()] + ([form.extra] if form.extra is not None else [])
        case Union():
            return form.members
        case Items():
            return (form.item,)
        case Row():
            return form.places
        case Table():
            return (form.value,)
        case Root():
            return (form.form,)
    return ()


def _add_checks(form: Fields | Root) -> bool:
    """Tells whether the model's own fields have checks now."""
    checked = False
    for info, of in form.converted:
        if not _may_change(of):
            continue
        checked = True
        metadata = list(info.metadata)
        if not any(isinstance(item, Checked) for item in metadata):
            # Inside the user's own functions: what they make of a value is meant.
            at = next((index for index, item in enumerate(metadata) if is_function(item)), len(metadata))
            info.metadata = [*metadata[:at], Checked(_check(of)), *metadata[at:]]
    return checked


def _may_change(form: Form) -> bool:
    if isinstance(form, (Fields, Root)):
        return False
    is_set = isinstance(form, Items) and form.cls in (set, frozenset)
    return isinstance(form, _CONVERTING) or is_set or any(_may_change(part) for part in _parts(form))


def _check(form: Form) -> Any:
    def check(value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        result = handler(value)
        if result is not value:
            _compare(form, value, result, is_json=info.mode == "json")
        return result

    return check


def _compare(form: Form, given: Any, result: Any, *, is_json: bool) -> None:
    """Raises Unfit, which is a ValueError to pydantic, when the result is not what was given."""
    if given is result or isinstance(given, BaseModel):
        return
    match form:
        case Union():
            try:
                member, _ = form.member(result)
            except Unfit:
                return  # what is not as declared is refused by `put`
            if not member.by_user:
                _compare(member, given, result, is_json=is_json)
        case Items() | Row():
            _compare_items(form, given, result, is_json=is_json)
        case Table() if isinstance(given, Mapping) and not form.value.by_user:
            for (name, item), after in zip(given.items(), result.values(), strict=False):
                with Inside(name):
                    _compare(form.value, item, after, is_json=is_json)
        case _ if (why := _changed(form, given, is_json=is_json)) is not None:
            raise Unfit(f"{short(given)} {why}")


def _compare_items(form: Items | Row, given: Any, result: Any, *, is_json: bool) -> None:
    if not isinstance(given, Sized) or not isinstance(given, Iterable):
        return  # an iterator is used up
    if isinstance(result, (set, frozenset)):
        if len(result) != len(given):
            raise Unfit(f"{short(given)} has a value twice, which a set keeps once")
        if isinstance(form, Items) and not form.item.by_user:
            for item in given:
                _compare_member(form.item, item, result, is_json=is_json)
        return
    places = [form.item] * len(result) if isinstance(form, Items) else form.places
    for index, (place, item, after) in enumerate(zip(places, given, result, strict=False)):
        if not place.by_user:
            with Inside(index):
                _compare(place, item, after, is_json=is_json)


def _compare_member(form: Form, given: Any, result: set[Any] | frozenset[Any], *, is_json: bool) -> None:
    """Raises Unfit when what was given is none of a set's values, which have lost their order."""
    if not isinstance(form, (Union, Items, Row, Table)):
        _compare(form, given, None, is_json=is_json)  # it does not depend on which one it is
        return
    if isinstance(given, Hashable) and given in result:
        return
    refused = None
    for one in result:
        try:
            _compare(form, given, one, is_json=is_json)
        except Unfit as error:
            refused = error
        else:
            return
    if refused is not None:
        raise refused


def _changed(form: Form, given: Any, *, is_json: bool) -> str | None:
    """Says why a form's value is another one than was given; None when it is the same."""
    is_number = isinstance(given, (int, float)) and not isinstance(given, bool)
    match form:
        case Truth():
            is_bool = isinstance(given, (bool, int, float, Decimal)) and given in (0, 1)
            return None if is_bool else "is no bool: give True or False"
        case Double():
            return _inexact_double(given)
        case Exact() if isinstance(given, float):
            if is_json and len(Decimal(repr(given)).as_tuple().digits) <= _DOUBLE_DIGITS:
                return None
            return "is a float, which has other digits than it shows: give a Decimal or text"
        case Moment() | TimeOfDay() if is_number or isinstance(given, Decimal) or _is_digits(given):
            return (
                f"is a number, so its unit would be guessed: give a {'time' if form.kind == 'string' else 'datetime'}"
            )
        case Day() if (is_number or isinstance(given, Decimal) or _is_digits(given)) and not isinstance(given, date):
            return "is a number, so its unit would be guessed: give a date"
    return None


def _is_digits(given: Any) -> bool:
    if not isinstance(given, (str, bytes)):
        return False
    try:
        Decimal(given if isinstance(given, str) else given.decode())
    except (ArithmeticError, ValueError):
        return False
    return True


def _inexact_double(given: Any) -> str | None:
    try:
        number = Decimal(given) if isinstance(given, (str, int, Decimal)) else None
        kept = None if number is None else float(number)
    except (ArithmeticError, ValueError):
        return None
    if number is None or kept is None or not number.is_finite():
        return None
    # A double is kept if it is exact, or if it is the one that a decimal text such as "9.90" stands for.
    if Decimal(kept) == number or Decimal(repr(kept)) == number:
        return None
    return f"has more digits than a float keeps ({kept!r}): make the field a Decimal or an int"
