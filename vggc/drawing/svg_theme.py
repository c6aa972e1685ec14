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

# One paper, the one that the reader prefers, or the page's.
STYLES: Final[dict[Paper, str]] = {
    "page": f"\n{_PAGE}\n",
    "auto": f"\n{_LIGHT}\n@media (prefers-color-scheme:dark){{\n{_DARK}\n}}\n",
    "light": f"\n{_LIGHT}\n",
    "dark": f"\n{_DARK}\n",
}

# These, and the fill of the paper, repeat the style sheet for viewers that ignore it: theirs would be a black page.
_TEXTS: Final[dict[Paper, str]] = {"dark": ' fill="#f0f6fc"', "page": ' fill="currentColor" class="vggc-page"'}
LINES: Final[dict[Paper, str]] = {"auto": "#59636e", "light": "#59636e", "dark": "#9198a1", "page": "currentColor"}


def escaped(text: str) -> str:
    """A text in XML; `xml.sax.saxutils` can do it too, and imports an HTTP client for that."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def attribute(text: str) -> str:
    """A text as the value of an attribute, with its quotes."""
    return '"' + escaped(text).replace('"', "&quot;") + '"'


def head(title: str, description: str, size: tuple[float, float], theme: Paper) -> Iterator[str]:
    """The beginning of an SVG file, up to its paper; the description is for those who do not see the picture.

    Ids begin with the title, because a page may hold several pictures. A picture that takes its colours from a page has
    none, because the same may be there twice.
    """
    width, height = map(number, size)
    within = theme == "page"
    ids = ("", "") if within else tuple(f" id={attribute(f'{title}-{part}')}" for part in ("title", "desc"))
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    yield f' style="max-width:100%;height:auto" font-family="system-ui, sans-serif"{_TEXTS.get(theme, "")}'
    yield ' role="img">' if within else f' role="img" aria-labelledby={attribute(f"{title}-title {title}-desc")}>'
    yield f"<title{ids[0]}>{escaped(title)}</title>"
    yield f"<desc{ids[1]}>{escaped(description)}</desc>"
    yield f"<style>{STYLES[theme]}</style>"
    if not within:
        fill = "#0d1117" if theme == "dark" else "#fff"
        yield f'<rect class="vggc-paper" fill="{fill}" width="100%" height="100%"/>'


def mixed(colour: str, other: int, part: float) -> str:
    """A colour with a part of a grey in it, 0 for black and 255 for white."""
    channels = bytes.fromhex(colour.removeprefix("#"))
    return "#" + bytes(round(channel + (other - channel) * part) for channel in channels).hex()


def text_on(colour: str) -> str:
    """The colour of a text that is easily read on another: WCAG's luminance decides."""
    channels = [channel / 255 for channel in bytes.fromhex(colour.removeprefix("#"))]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return "#ffffff" if 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.2 else DARK_TEXT


def number(value: float) -> str:
    """A length with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")
