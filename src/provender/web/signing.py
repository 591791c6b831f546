"""Signing in and out: a browser becomes somebody's by a token."""

from secrets import token_urlsafe
from urllib.parse import quote, urlsplit

from starlette.requests import Request

from provender.core.errors import NotFound, Unauthenticated
from provender.core.sessions import SECRET_BYTES, derived
from provender.web.forms import Form
from provender.web.page import Elsewhere, Page, Visit
from provender.web.visitors import SESSION, SIGNING, Sessions

HOME = "/"
LONGEST = 2000


def address(request: Request) -> str:
    """Return the address of the form, which leads back to ``request``."""
    there = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"/sign-in?next={quote(there, safe='/')}"


def form(visit: Visit) -> Page | Elsewhere:
    """What to sign in with; who is signed in is led on."""
    _sessions(visit)
    if visit.visitor and SESSION.read(visit.request, visit.mode):
        return Elsewhere(onward(visit.asked("next")))
    return _form(visit, onward(visit.asked("next")))


def sign_in(visit: Visit, sent: Form) -> Page | Elsewhere:
    """Begin a session with a token: a new one, whatever cookie the browser brought."""
    sessions, there = _sessions(visit), onward(sent.text("next"))
    try:
        identity = sessions.identify(sent.text("token"))
    except Unauthenticated as error:
        return _form(visit, there, wrong=error.message)
    old = SESSION.read(visit.request, visit.mode)
    secret = sessions.sign_in(identity, instead_of=old)
    return Elsewhere(there, cookies=((SESSION, secret), (SIGNING, None)))


def sign_out(visit: Visit, sent: Form) -> Elsewhere:
    """End the session, here and in the catalog."""
    _sessions(visit).sign_out(SESSION.read(visit.request, visit.mode))
    return Elsewhere("/sign-in", cookies=((SESSION, None),))


def onward(asked: str) -> str:
    """Return an address of ours: ``asked``, if it is one, else the first page."""
    parts = urlsplit(asked) if asked.isprintable() and len(asked) <= LONGEST else None
    if parts is None or parts.scheme or parts.netloc or "\\" in asked:
        return HOME
    return asked if asked.startswith("/") and not asked.startswith("//") else HOME


def _form(visit: Visit, there: str, *, wrong: str = "") -> Page:
    secret = SIGNING.read(visit.request, visit.mode) or token_urlsafe(SECRET_BYTES)
    return Page(
        template="sign-in.html",
        title="Sign in",
        facts={"next": there, "wrong": wrong},
        status=401 if wrong else 200,
        cookies=((SIGNING, secret),),
        csrf=derived("csrf", secret),
    )


def _sessions(visit: Visit) -> Sessions:
    if visit.visitors.sessions is None:
        raise NotFound(
            "nobody signs in here: in local mode everybody is one person",
            hint="set PROVENDER_MODE=governed",
        )
    return visit.visitors.sessions
