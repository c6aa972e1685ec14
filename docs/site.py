"""What the pages need besides MkDocs, as its hooks.

The pages are written to be read in the repository. So they link to files outside docs/, say behind the language of a
fenced block what the tests make of it, and hold commands that prepare others in comments. The site gets those files
beside its pages, the blocks without that word, and no comments.
"""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

LINK = re.compile(r"(?<=\]\()\.\./([^)#]+)")
COMMENT = re.compile(r"^<!--$.*?^-->$\n", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^(```\w+) \w+$", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The files, and those outside docs/ that a page links to."""
    root = Path(config.docs_dir).parent
    named = {path for page in files.documentation_pages() for path in LINK.findall(page.content_string)}
    for path in sorted(named):
        if (root / path).is_file():
            files.append(File.generated(config, path, abs_src_path=str(root / path)))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """A page as it stands in the site."""
    return FENCE.sub(r"\1", LINK.sub(r"\1", COMMENT.sub("", markdown)))
