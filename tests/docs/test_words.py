"""GLOSSARY.md fixes one word for each idea; paths that the documents name exist."""

from __future__ import annotations

import re

from tests.docs.pages import FENCE, ROOT, pages

GLOSSARY = pages()["GLOSSARY.md"]
ROW = re.compile(r"^\| ([^|]+) \| ([^|]+) \|([^|]*)\|$", re.MULTILINE)
TERMS = [
    (word.strip(), meaning.strip(), instead.strip())
    for word, meaning, instead in ROW.findall(GLOSSARY)
    if word.strip() not in ("Word", "---")
]
PATH = re.compile(r"`((?:remediation|audit|hitlportal|tests|deploy|docs)/[\w./-]*(?:/|\.\w+))`")


def test_each_word_is_decided_once() -> None:
    words = [word for terms, _, _ in TERMS for word in terms.split(", ")]
    assert len(words) > 80
    assert len(words) == len(set(words))


def test_no_row_tells_to_avoid_its_own_word() -> None:
    """It may list another row's word: that one means another idea."""
    for terms, _, instead in TERMS:
        avoided = {word.strip() for word in re.sub(r"\([^)]*\)", "", instead).split(",")}
        assert not avoided & set(terms.split(", ")), terms


def test_documents_use_the_words_that_the_glossary_decided() -> None:
    """Words that the glossary replaced do not return."""
    avoided = re.compile(r"\b(seats?|uncover(ed|s)?|take[ns]? back|leads? back|lookers)\b")
    for page, text in pages().items():
        if page not in ("GLOSSARY.md", "CHANGELOG.md", "docs/attacks.md"):
            assert not avoided.findall(text), page


def test_paths_in_the_documents_exist() -> None:
    gone = set()
    for page, text in pages().items():
        for path in PATH.findall(FENCE.sub("", text)):
            if not (ROOT / path).exists() and page != "docs/attacks.md":
                gone.add(f"{page}: {path}")
    assert not gone


def test_each_decision_has_its_four_parts_and_a_row() -> None:
    index = pages()["docs/decisions/README.md"]
    decisions = {
        page: text
        for page, text in pages().items()
        if re.fullmatch(r"docs/decisions/\d{4}-[a-z-]+\.md", page)
    }
    assert len(decisions) >= 12
    for number, (page, text) in enumerate(sorted(decisions.items()), start=1):
        (title,) = re.findall(rf"^# {number}\. (.+)$", text, re.MULTILINE)
        parts = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert parts == ["Context", "Decision", "Consequences", "Rejected"], page
        assert f"[{title}]({page.rpartition('/')[2]})" in index


def test_each_recipe_of_the_extension_points_is_there() -> None:
    recipes = re.findall(r"^### (.+)$", pages()["CONTRIBUTING.md"], re.MULTILINE)
    assert recipes == [
        *("A kind of target", "A check", "A log format", "An inventory format", "A page"),
        *("A notification", "A policy rule", "A change of SQL", "A refusal", "An event"),
    ]


def test_documents_name_no_machine_and_no_registry() -> None:
    files = pages() | {
        path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
        for path in (ROOT / "deploy").rglob("*")
        if path.is_file()
    }
    host = re.compile(r"\b(?:[\w-]+\.)+(?:org|com|io|net)\b")
    known = {"keepachangelog.com", "semver.org", "github.com"}
    known |= {"openssh.com"}  # in names of key types
    known |= {"networking.k8s.io", "rbac.authorization.k8s.io"}  # groups of an API
    known |= {"kubernetes.io"}  # in the type of a secret
    known |= {"deployment.kubernetes.io"}  # in the name of an annotation
    for page, text in files.items():
        assert not re.search(r"(?<![\w.])/(?:work|root|home)/", text), page
        assert set(host.findall(text)) <= known, page
