"""The catalogue of messages: complete, in both languages, for everything that the code raises."""

import ast
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

import crm_graph
from crm_graph.errors import CrmError, Invalid, NotFound, Unauthenticated
from crm_graph.messages import MESSAGES, PHRASES, _together, locale_of, render
from crm_graph.transaction import CONSTRAINTS

SOURCES = Path(crm_graph.__file__).parent


def _subclasses(root: type[CrmError]) -> Iterator[type[CrmError]]:
    yield root
    for child in root.__subclasses__():
        yield from _subclasses(child)


def _trees() -> list[ast.Module]:
    return [ast.parse(path.read_text(encoding="utf-8")) for path in sorted(SOURCES.rglob("*.py"))]


def _error_classes(trees: list[ast.Module]) -> dict[str, str]:
    """Every error class of the sources, imported or not, with its own template where it has one."""
    known = {c.__name__: c.template for c in _subclasses(CrmError)}
    found = True
    while found:
        found = False
        for node in (n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.ClassDef)):
            bases = [b.id for b in node.bases if isinstance(b, ast.Name) and b.id in known]
            if bases and node.name not in known:
                known[node.name] = _own_template(node) or known[bases[0]]
                found = True
    return known


def _own_template(node: ast.ClassDef) -> str | None:
    for line in node.body:
        target = line.targets[0] if isinstance(line, ast.Assign) else None
        if isinstance(target, ast.Name) and target.id == "template" and isinstance(line, ast.Assign):
            return str(ast.literal_eval(line.value))
    return None


def _raised() -> list[tuple[str, frozenset[str]]]:
    """(template, names of the details) of each error that the sources make with a literal template."""
    trees = _trees()
    classes = _error_classes(trees)
    raised = [(template, frozenset[str]()) for _, template, _ in CONSTRAINTS.values()]
    for call in (n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.Call)):
        if isinstance(call.func, ast.Name) and call.func.id in classes and call.args:
            template = call.args[0]
            if isinstance(template, ast.Constant) and isinstance(template.value, str):
                raised.append((template.value, frozenset(k.arg or "**" for k in call.keywords)))
    return raised


def _placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_error_class_has_a_message() -> None:
    missing = {template for template in _error_classes(_trees()).values() if template not in MESSAGES}
    assert missing == set()


def test_every_template_that_is_raised_has_a_message() -> None:
    assert {template for template, _ in _raised()} - MESSAGES.keys() == set()


def test_every_requirement_of_a_stage_has_a_message() -> None:
    tree = ast.parse((SOURCES / "services" / "requirements.py").read_text(encoding="utf-8"))
    texts = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    named = {text for text in texts if text.startswith("requirement_")}
    assert len(named) == 5
    assert named - MESSAGES.keys() == set()


def test_every_placeholder_is_given_where_the_error_is_raised() -> None:
    incomplete = {
        (template, name)
        for template, details in _raised()
        if template in MESSAGES and "**" not in details
        for name in _placeholders(MESSAGES[template][0]) - details
    }
    assert incomplete == set()


@pytest.mark.parametrize("key", MESSAGES)
def test_both_languages_say_the_same(key: str) -> None:
    english, chinese = MESSAGES[key]
    assert _placeholders(english) == _placeholders(chinese)
    assert english.isascii()
    assert any("\u4e00" <= character <= "\u9fff" for character in chinese)
    assert english.endswith((".", "?"))
    assert chinese.endswith("。")


@pytest.mark.parametrize("key", PHRASES)
def test_parts_of_explanations_say_the_same_in_both_languages(key: str) -> None:
    english, chinese = PHRASES[key]
    assert _placeholders(english) == _placeholders(chinese)
    assert english.replace("“", "").replace("”", "").isascii()
    assert english.endswith(".") is chinese.endswith("。")


def test_a_key_stands_in_one_theme_only() -> None:
    one, other = {"a": ("A.", "甲。"), "b": ("B.", "乙。")}, {"c": ("C.", "丙。"), "b": ("B!", "乙！")}
    with pytest.raises(ValueError, match="these keys have several texts: b"):
        _together(one, other)


def test_renders_in_the_language_asked_for() -> None:
    error = Invalid("text_too_long", max=200)
    assert render(error, "en") == "The text may have at most 200 characters."
    assert render(error, "zh") == "文本不能超过 200 个字符。"


def test_lists_are_joined_as_the_language_does() -> None:
    error = Invalid("enum_invalid", allowed=["LOW", "HIGH"])
    assert render(error, "en") == "One of these is expected: LOW, HIGH."
    assert render(error, "zh") == "应为以下之一：LOW、HIGH。"


def test_braces_in_details_stay_what_they_are() -> None:
    assert render(Invalid("enum_invalid", allowed="{max} {0}"), "en") == "One of these is expected: {max} {0}."


def test_a_missing_key_or_detail_never_hides_the_error() -> None:
    assert render(NotFound("no_such_key"), "en") == "There is no such record."
    assert render(Invalid("text_too_long"), "en") == "The text may have at most … characters."
    assert render(Unauthenticated(), "zh") == "需要有效的访问令牌。"


@pytest.mark.parametrize(
    ("header", "locale"),
    [
        (None, "en"),
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,zh;q=0.9", "en"),
        ("en;q=0.2, zh-Hans;q=0.3", "zh"),
        ("fr, de", "en"),
        ("fr, zh;q=0.1", "zh"),
        ("*", "en"),
        ("zh;q=0", "en"),
        ("zh;q=high, en;q=0.1", "en"),
    ],
)
def test_chooses_the_locale_by_quality(header: str | None, locale: str) -> None:
    assert locale_of(header) == locale
