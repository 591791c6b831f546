"""Forms that were sent: what stands in them, and whether they come from our own pages.

Two things are asked of one. A browser says where a request comes from, and a page of another site
cannot make it say otherwise (`check_origin`). And it carries what only our page for the same
visitor holds (`web/visitors.py`), which `web/templates.py` puts into every form.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request

from provender.core.arriving import in_time
from provender.core.bounds import BODY_SECONDS, STILL_SECONDS
from provender.core.clock import to_utc
from provender.core.errors import Denied, InvalidInput
from provender.core.names import unknown
from provender.core.rules import Action
from provender.web.page import Elsewhere, Page, Visit, whole_number

MOST_BYTES = 1_000_000
OF_NOBODY = 10_000
"""Bytes of a form whose sender is not known yet."""
MOST_FIELDS = 5_000
CSRF = "csrf"
KIND = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Form:
    """What was sent, by field."""

    fields: Mapping[str, list[str]]

    def text(self, name: str) -> str:
        """Return a field with lines ended as in Python, without white space around it."""
        return self.fields.get(name, [""])[-1].replace("\r\n", "\n").strip()

    @property
    def revision(self) -> int:
        """The revision of what the form had shown.

        Raises:
            InvalidInput: it is not a whole number.
        """
        return whole_number(self.text("revision"), what="revision", least=0)


ActionFunction = Callable[[Visit, Form], Page | Elsewhere]


def chosen_action(text: str, among: Collection[Action]) -> Action:
    """Return the action that a form or an address says; nothing is to read.

    Raises:
        NotFound: it is none ``among`` those that there are.
    """
    if text and text not in among:
        raise unknown("action", text, among)
    return Action(text or Action.READ)


def until(text: str) -> datetime | None:
    """Return an instant as it is written in a form: a day is its end; nothing is None.

    Raises:
        InvalidInput: it is neither.
    """
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(
            f"until {text!r} is not a day", hint="write 2026-12-31, in UTC"
        ) from None
    is_day = len(text) == len("2026-12-31")
    return to_utc(found + timedelta(days=1) if is_day else found)


def check_form(request: Request) -> None:
    """Return if ``request`` brings a form that a page of ours sent; nothing of it is read yet.

    Raises:
        Denied: another site's page sent it.
        InvalidInput: it is no form.
    """
    check_origin(request)
    if request.headers.get("content-type", "").partition(";")[0].strip() != KIND:
        raise InvalidInput("that is not a form", hint=f"send {KIND}")


async def received(request: Request, *, largest: int = MOST_BYTES) -> bytes:
    """Return the form that ``request`` brings, as it was sent.

    Raises:
        InvalidInput: it has more than ``largest`` bytes, or takes too long to come.
    """
    body = bytearray()
    try:
        async for chunk in in_time(request.stream(), still=STILL_SECONDS, whole=BODY_SECONDS):
            body += chunk
            if len(body) > largest:
                raise InvalidInput(
                    f"the form is larger than {largest:,} bytes", hint="write less, or link to it"
                )
    except TimeoutError:
        raise InvalidInput("the form did not come whole in time", hint="send it again") from None
    return bytes(body)


def read(body: bytes) -> tuple[str, Form]:
    """Return what a form carries against other sites', and the form. It may take a second.

    Raises:
        InvalidInput: it cannot be read.
    """
    try:
        fields = parse_qs(
            body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"
        )
    except ValueError as error:
        raise InvalidInput(f"the form cannot be read: {error}", hint="send it in UTF-8") from None
    return fields.pop(CSRF, [""])[-1], Form(fields)


def check_origin(request: Request) -> None:
    """Return if a page of ours sent ``request``.

    Raises:
        Denied: it did not, or the browser does not say.
    """
    site = request.headers.get("sec-fetch-site", "")
    origin = request.headers.get("origin", "")
    same = urlsplit(origin).netloc == request.headers.get("host", "") if origin else False
    if site == "same-origin" or (not site and same):
        return
    raise Denied(
        f"this form was sent by {origin or 'a page that is not ours'}",
        hint="open the page here, and send its form",
    )
