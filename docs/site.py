"""Hooks of MkDocs that turn the pages of the repository into those of the site.

The pages are written to be read in the repository. So they link to files outside docs/, the language of a fenced block
may be followed by a word for the tests, and comments contain commands that prepare others. The site gets copies of
those files, blocks without that word, and no comments.
"""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

LINK = re.compile(r"(?<=\]\()\.\./([^)#]+)")
COMMENT = re.compile(r"^<!--$.*?^-->$\n", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^(```\w+) \w+$", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files outside docs/ that a page links to."""
    root = Path(config.docs_dir).parent
    named = {path for page in files.documentation_pages() for path in LINK.findall(page.content_string)}
    for path in sorted(named):
        if (root / path).is_file():
            files.append(File.generated(config, path, abs_src_path=str(root / path)))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """A page as the site shows it."""
    return FENCE.sub(r"\1", LINK.sub(r"\1", COMMENT.sub("", markdown)))
