"""What all pictures share: the colours of the groups, light and dark paper, and the lengths of texts."""

from collections.abc import Iterator
from typing import Final, Literal

Theme = Literal["auto", "light", "dark"]
Paper = Theme | Literal["page"]  # `page`: none, and the colours of the page around the picture

# Paul Tol's bright scheme: its colours stay distinct for all common kinds of colour blindness.
COLOURS: Final = {
    "input": "#f2f2f2",
    "conv": "#4477aa",
    "pool": "#ee6677",
    "norm": "#228833",
    "activation": "#ccbb44",
    "dropout": "#aa3377",
    "linear": "#66ccee",
    "shape": "#aaaaaa",
}
DARK_TEXT: Final = "#1f2328"

# Classes have a prefix because a style in a picture inside a page applies to the whole page.
_LIGHT: Final = ".vggc-paper{fill:#fff}.vggc-ink{fill:#1f2328}.vggc-pale{fill:#59636e}.vggc-arrow{stroke:#59636e}"
_DARK: Final = ".vggc-paper{fill:#0d1117}.vggc-ink{fill:#f0f6fc}.vggc-pale{fill:#9198a1}.vggc-arrow{stroke:#9198a1}"
_PALE: Final = "color-mix(in srgb,currentColor 68%,transparent)"
# Each rule begins with the class of the picture, so that it wins against those of a picture with colours of its own.
_PAGE: Final = f"""\
.vggc-page .vggc-ink{{fill:currentColor}}
.vggc-page .vggc-pale{{fill:{_PALE}}}
.vggc-page .vggc-arrow{{stroke:{_PALE}}}"""

# These, and the fill of the paper, repeat the style sheet for viewers that ignore it: theirs would be a black page.
_TEXTS: Final[dict[Paper, str]] = {"dark": ' fill="#f0f6fc"', "page": ' fill="currentColor" class="vggc-page"'}
_LINES: Final[dict[Paper, str]] = {"dark": "#9198a1", "page": "currentColor"}

NARROW: Final = frozenset(" ,.:;'|!()[]·fijlrt")
WIDE: Final = frozenset("mwMW%@…\N{MULTIPLICATION SIGN}")


def escaped(text: str) -> str:
    """A text in XML; `xml.sax.saxutils` can do it too, and imports an HTTP client for that."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def attribute(text: str) -> str:
    """A text as the value of an attribute, with its quotes."""
    return '"' + escaped(text).replace('"', "&quot;") + '"'


def style(theme: Paper) -> str:
    """The style sheet of a picture: one paper, the one that the reader prefers, or the page's."""
    if theme == "page":
        return f"\n{_PAGE}\n"
    if theme == "auto":
        return f"\n{_LIGHT}\n@media (prefers-color-scheme:dark){{\n{_DARK}\n}}\n"
    return f"\n{_LIGHT if theme == 'light' else _DARK}\n"


def head(ids: str, title: str, description: str, size: tuple[float, float], theme: Paper) -> Iterator[str]:
    """The beginning of an SVG file, up to its paper.

    Args:
        ids: what the ids in it begin with; a page may hold several pictures, and an id may occur only once. One that
            takes its colours from a page has none, because the same may stand there twice.
        title: of the picture.
        description: the picture in words, for those who do not see it.
        size: width and height.
        theme: of paper and texts.
    """
    width, height = map(number, size)
    within = theme == "page"
    title_id, desc_id = "", ""
    if not within:
        title_id, desc_id = (f" id={attribute(f'{ids}-{part}')}" for part in ("title", "desc"))
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    yield f' style="max-width:100%;height:auto" font-family="system-ui, sans-serif"{_TEXTS.get(theme, "")}'
    yield ' role="img">' if within else f' role="img" aria-labelledby={attribute(f"{ids}-title {ids}-desc")}>'
    yield f"<title{title_id}>{escaped(title)}</title>"
    yield f"<desc{desc_id}>{escaped(description)}</desc>"
    yield f"<style>{style(theme)}</style>"
    if not within:
        fill = "#0d1117" if theme == "dark" else "#fff"
        yield f'<rect class="vggc-paper" fill="{fill}" width="100%" height="100%"/>'


def pale(theme: Paper) -> str:
    """The colour of lines, for viewers that ignore the style sheet."""
    return _LINES.get(theme, "#59636e")


def text_length(text: str, size: float, bold: bool = False) -> float:
    """How wide a text is at most in any usual sans-serif font; the widest of them set these widths of a character."""
    ems = sum(0.44 if char in NARROW else 1.0 if char in WIDE else 0.64 for char in text)
    return round(ems * size * (1.1 if bold else 1), 1)


def mixed(colour: str, other: int, part: float) -> str:
    """A colour with a part of a grey in it, 0 for black and 255 for white."""
    channels = bytes.fromhex(colour.removeprefix("#"))
    return "#" + bytes(round(channel + (other - channel) * part) for channel in channels).hex()


def text_on(colour: str) -> str:
    """The colour of a text that is easily read on another: WCAG's luminance decides."""
    red, green, blue = (_linear(channel / 255) for channel in bytes.fromhex(colour.removeprefix("#")))
    return "#ffffff" if 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.2 else DARK_TEXT


def _linear(channel: float) -> float:
    linear: float = channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
    return linear


def number(value: float) -> str:
    """A length with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")
