"""What every page has: its template, and around it the shell with who is signed in, where they may go and what just happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Page:
    """The base of every page's context. Each field is a variable of the template, and the template uses no others."""

    #: The template, below templates/.
    template: ClassVar[str]


@dataclass(frozen=True, slots=True)
class NavItem:
    """One entry of the navigation."""

    #: What it is called.
    label: str
    #: Where it leads.
    path: str
    #: The digit that opens it by key.
    key: str
    #: Whether the page shown belongs to it.
    here: bool


@dataclass(frozen=True, slots=True)
class Notice:
    """A line about what just happened."""

    #: ok, warn or error: shown by colour, by a sign and in words.
    level: str
    #: The line.
    text: str


@dataclass(frozen=True, slots=True)
class Shell:
    """What stands around a page."""

    #: The session's token, for forms; "" when nobody is signed in.
    csrf: str
    #: Who is signed in, "" for nobody.
    name: str
    #: In which role, in Chinese.
    role: str
    #: Where they may go.
    nav: tuple[NavItem, ...]
    #: What just happened, if anything.
    notice: Notice | None
    #: What an administrator should know of the service, "" for nothing.
    problem: str
    #: Whether this is the demo office.
    demo: bool


@dataclass(frozen=True, slots=True)
class ProblemPage(Page):
    """What went wrong, and what to do next."""

    template: ClassVar[str] = "problem.html"

    #: In two or three words.
    heading: str
    #: What to do next.
    text: str
    #: The HTTP status.
    status: int
    #: Where "back" leads.
    back: str


@dataclass(frozen=True, slots=True)
class SignInPage(Page):
    """Name and password; what was typed into a form whose session had ended is carried along."""

    template: ClassVar[str] = "sign_in.html"

    #: The name typed before, after a failure.
    name: str
    #: What was wrong, "" for nothing.
    problem: str
    #: The path to go on to.
    onward: str
    #: Fields of an interrupted form as JSON, to be sent on once signed in; "" for none.
    kept: str
    #: Who may be tried in the demo office; empty everywhere else.
    demo_names: tuple[str, ...]
    #: Their password; "" everywhere else.
    demo_password: str


@dataclass(frozen=True, slots=True)
class ResumePage(Page):
    """Signed in again: an interrupted form, to be sent by one press."""

    template: ClassVar[str] = "resume.html"

    #: Where the form goes.
    onward: str
    #: Its fields, in order.
    kept: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class WelcomePage(Page):
    """A one-time link was opened: choose a password."""

    template: ClassVar[str] = "welcome.html"

    #: Whose link it is.
    name: str
    #: The link's secret.
    token: str
    #: The fewest characters.
    shortest: int
    #: What was wrong with the last try, "" for nothing.
    problem: str


@dataclass(frozen=True, slots=True)
class AccountPage(Page):
    """One's own account: name, role, another password."""

    template: ClassVar[str] = "account.html"

    #: A unit user's unit, "" for others.
    unit: str
    #: The fewest characters of a password.
    shortest: int
    #: What was wrong with the last try, "" for nothing.
    problem: str
