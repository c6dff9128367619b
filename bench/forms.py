"""Pages as a person without script uses them: find a form, fill it in, send it. For measurements that go through the workbench."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass(slots=True)
class Form:
    """One form of a page. `fields` is what a browser would send if nothing were changed; `buttons` are (name, value, formaction)."""

    action: str = ""
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[tuple[str, str, str]] = field(default_factory=list)

    def filled(self, **values: str) -> dict[str, list[str]]:
        """What is sent with these fields changed or added."""
        sent: dict[str, list[str]] = {}
        for name, value in self.fields:
            sent.setdefault(name, []).append(value)
        return sent | {name: [value] for name, value in values.items()}


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: list[str] = []
        self._open = False
        self._text: str | None = None
        self._select: str | None = None
        self._chosen: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "form":
            self.forms.append(Form(given.get("action", "")))
            self._open = True
        if not self._open:
            return
        form, name = self.forms[-1], given.get("name", "")
        if tag == "button" and "disabled" not in given:
            form.buttons.append((name, given.get("value", ""), given.get("formaction", "")))
        elif tag == "textarea" and name:
            form.fields.append((name, ""))
            self._text = name
        elif tag == "select" and name:
            self._select, self._chosen = name, None
        elif tag == "option" and self._select is not None:
            if self._chosen is None or "selected" in given:
                self._chosen = given.get("value", "")
        elif tag == "input" and name:
            kind = given.get("type", "text")
            is_off = kind in ("checkbox", "radio") and "checked" not in given
            if kind not in ("file", "submit", "button") and not is_off:
                form.fields.append((name, given.get("value", "on" if kind == "checkbox" else "")))

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            name, value = self.forms[-1].fields[-1]
            self.forms[-1].fields[-1] = (name, value + data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = False
        elif tag == "textarea":
            self._text = None
        elif tag == "select" and self._select is not None and self._open:
            self.forms[-1].fields.append((self._select, self._chosen or ""))
            self._select = None


def forms_of(page: str) -> list[Form]:
    return _read(page).forms


def links_of(page: str) -> list[str]:
    """Where the links of a page lead, in their order."""
    return _read(page).links


def form_to(page: str, action: str) -> Form:
    """The form of a page that is sent to an address that ends so. Raises LookupError when there is none."""
    for form in forms_of(page):
        if form.action.endswith(action):
            return form
    raise LookupError(f"no form is sent to …{action}")


def _read(page: str) -> _Forms:
    parser = _Forms()
    parser.feed(page)
    return parser
