"""A63: hostile files are refused quickly, by name and place, and create nothing."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remediation.domain import errors
from remediation.domain.errors import BadInput
from remediation.domain.intake import documents as limits
from remediation.domain.intake.documents import decoded, documents
from remediation.domain.intake.reading import FORMATS, read
from remediation.domain.intake.stated import Options
from tests.domain.intake.files import file, state
from tests.every import every

LAUGHS = (
    "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
    + "services: {}\n"
)
MERGED_LAUGHS = (
    "a0: &a0 {k0: x, k1: x, k2: x}\n"
    + "".join(
        f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}], z{n}: x}}\n" for n in range(1, 12)
    )
    + "services: {}\n"
)

REFUSED: dict[str, tuple[str | bytes, type[BadInput], str]] = {
    "billion laughs": (LAUGHS, errors.TooManyKeys, "document 1, line 7: more than 2,000,000 nodes"),
    "laughs by merging": (MERGED_LAUGHS, errors.TooManyKeys, "more than 2,000,000 nodes"),
    "an anchor within itself": ("a: &a [*a]\n", errors.MalformedFile, "*a stands for nothing"),
    "an object of Python": (
        "services: !!python/object/apply:os.system ['true']\n",
        errors.MalformedFile,
        "document 1, line 1: the tag tag:yaml.org,2002:python/object/apply:os.system",
    ),
    "a tag of somebody's own": ("services: !reset {}\n", errors.MalformedFile, "the tag !reset"),
    "deep nesting in lines": ("[" * 10_000, errors.TooDeep, "deeper than 64 levels"),
    "deep nesting in blocks": (
        "".join(f"{' ' * n}a:\n" for n in range(200)),
        errors.TooDeep,
        "deeper than 64 levels",
    ),
    "a key twice": (
        "services: {}\nservices: {}\n",
        errors.DuplicateKey,
        "document 1, line 2: the key 'services' occurs twice",
    ),
    "a key that is a list": ("? [a]\n: b\n", errors.WrongType, "a key is not text"),
    "no YAML": ("a: b: c\n", errors.MalformedFile, "file1.yaml, line 1: this is not YAML"),
    "no UTF-8": (b"a: \xff\n", errors.MalformedFile, "file1.yaml: byte 3 is not UTF-8"),
    "a control character": ("a: \x07\n", errors.MalformedFile, "this is not YAML"),
    "no mapping": ("- a\n", errors.WrongType, "file1.yaml, document 1: not a mapping"),
    "only text": ("hello\n", errors.WrongType, "file1.yaml, document 1: not a mapping"),
}


@every("what", REFUSED)
@every("format", ["backstage", "kubernetes", "compose"])
def test_a63_a_refusal_names_the_place(format: str, what: str) -> None:
    text, kind, said = REFUSED[what]
    with pytest.raises(kind) as refusal:
        state(format, text)
    assert said in str(refusal.value)


def test_a63_a_billion_laughs_file_takes_no_memory() -> None:
    tracemalloc.start()
    try:
        with pytest.raises(errors.TooManyKeys):
            state("compose", LAUGHS)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_a63_a_file_beyond_the_bound_is_refused_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "MAX_FILE", 1_048_576)
    with pytest.raises(errors.TooLarge, match=r"big\.yaml: more than 1 MiB"):
        decoded(b" " * 1_048_577, "big.yaml")


def test_a63_documents_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_DOCUMENTS", 3)
    assert len(list(documents("--- a\n" * 3, "f"))) == 3
    with pytest.raises(errors.TooManyKeys, match="more than 3 documents"):
        list(documents("--- a\n" * 4, "f"))


def test_plain_words_stay_text() -> None:
    """A team called "no" does not become false, nor a name an octal number, in any YAML version."""
    (_, value), *_ = documents("[no, on, 0777, 1e3, 2026-11-26, ~, null, '~', .inf]", "f")
    assert value == ["no", "on", "0777", "1e3", "2026-11-26", None, None, "~", ".inf"]


def test_merging_adds_what_is_missing_and_keeps_what_is_there() -> None:
    (_, value), *_ = documents("a: &a {x: '1', y: '2'}\nb: {<<: *a, x: '3'}", "f")
    assert value == {"a": {"x": "1", "y": "2"}, "b": {"x": "3", "y": "2"}}


def test_a52_a_refusal_makes_hidden_characters_visible() -> None:
    with pytest.raises(errors.BadValue) as refusal:
        state("csv", "service,needs_service,needs_identity,present\na,\u202eb\x1b[2J,,maybe\n")
    assert "\x1b" not in str(refusal.value)
    assert "\u202e" not in str(refusal.value)
    assert "'maybe' is neither yes nor no" in str(refusal.value)


@pytest.mark.parametrize("format", FORMATS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(content=st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_a63_any_bytes_are_read_or_refused_by_name(format: str, content: bytes) -> None:
    try:
        read(format, [file(content)], Options(cluster="c"))
    except BadInput as refusal:
        assert "file.yaml" in str(refusal)


LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
WORDS = st.sampled_from(
    [
        *("apiVersion", "kind", "metadata", "name", "spec", "template", "containers", "env"),
        *("valueFrom", "secretKeyRef", "services", "depends_on", "environment", "labels", "owner"),
        *("dependsOn", "consumesApis", "volumes", "secret", "selector", "annotations", "items"),
    ]
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=25,
)


@pytest.mark.parametrize("format", ["backstage", "kubernetes", "compose"])
@pytest.mark.parametrize("kind", ["Deployment", "CronJob", "Secret", "Component", "List"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tree=st.dictionaries(WORDS, TREES, max_size=6))
def test_a63_any_shape_is_read_or_refused_by_name(
    format: str, kind: str, tree: dict[str, object]
) -> None:
    import json

    shaped = {"apiVersion": "backstage.io/v1", "kind": kind, "services": {}, **tree}
    try:
        read(format, [file(json.dumps(shaped))], Options(cluster="c"))
    except BadInput as refusal:
        assert "file.yaml" in str(refusal)
