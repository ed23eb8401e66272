"""Texts that no experiment looks like: random YAML, random bytes, and bombs."""

from __future__ import annotations

import string
from collections.abc import Callable
from random import Random

from tests.guarantees.input_case import MAIN, Case

__all__ = ["bomb", "document"]

PIECES = (
    *("\n", "\n", "\n  ", "\n    ", ": ", ": ", "- ", ", ", "{", "}", "[", "]", "'", '"', "|", ">", "|2-\n", "? ", "#"),
    *("&a ", "*a", "!t ", "!!int ", "!!python/object/apply:os.system ", "!!binary ", "<<: *a", "<<: ", "%YAML 1.1\n"),
    *("---\n", "...\n", "\t", "\r", "\r\n", "\x00", "\x07", "\x1b[31m", "\x7f", "\x85", "\u2028", "\u2029", "\ufeff"),
    *("\ufffe", "\U0001f600", "\u202e", "\u0301", "é", "日本", "null", "~", "true", "no", ".nan", "-.inf", "012"),
    *("12:30:45", "190:20:30", "0x1F", "0o17", "1_000", "9" * 40, "1e999", "-1", "2020-01-01", '"\\x00"', '"\\e[1m"'),
    *('"\\ud800"', '"\\u202e"', "=", "@", "`", "%", "name", "use", "data", "seed", "rounds", "methods", "extends"),
    *("algorithm", "swarm/dpsgd", "lr", "model", "task", "topology", "ring", "label", "runtime", "faults", "mlp"),
)  # fmt: skip
ENCODINGS = ("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1")


def document(random: Random) -> Case:
    """A short file of any bytes, of pieces of YAML, or a random tree written as YAML."""
    text = random.choice((_soup, _soup, _tree, _unicode))(random)
    if random.random() < 0.15:
        return Case({MAIN: random.randbytes(random.randint(0, 200))})
    return Case({MAIN: text.encode(random.choice(ENCODINGS), "replace")})


def _soup(random: Random) -> str:
    return "".join(random.choices(PIECES, k=random.randint(0, 60)))


def _unicode(random: Random) -> str:
    points = (chr(random.choice((random.randrange(0xD800), random.randrange(0xE000, 0x110000)))) for _ in range(60))
    return f"name: {''.join(points)}\n"


def _tree(random: Random, depth: int = 0) -> str:
    """Block and flow style mixed, with what strict YAML leaves out strewn in."""
    lines = []
    for _ in range(random.randint(1, 6)):
        key = random.choice(
            ("name", "data", "use", "x", "methods", "1", "<<", "'a b'", "? q", "&k key", "!t key", '""')
        )
        value = random.choice(PIECES).strip() or "{}"
        if depth < 5 and random.random() < 0.4:
            value = "\n" + _tree(random, depth + 1)
        dash = "- " if random.random() < 0.15 else ""
        lines.append(f"{'  ' * depth}{dash}{key}: {value}")
    return "\n".join(lines) + "\n"


def bomb(random: Random) -> Case:
    """A file that would be slow, deep or large if it were taken at its word."""
    return Case({MAIN: random.choice(BOMBS)(random).encode("utf-8", "replace")})


def _size(random: Random) -> int:
    return random.choice((40, 1_000, 20_000, 300_000))


def _word(random: Random, length: int) -> str:
    return "".join(random.choices(string.ascii_lowercase, k=length))


def _laughs(random: Random) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, random.randint(2, 60))]
    return "\n".join(lines)


def _deep(random: Random) -> str:
    opening = random.choice(("[", "{a: ", "- ", "? ", "[{a: ", "{? [", '{"a": '))
    return random.choice(("", "name: ", "data: ")) + opening * _size(random)


def _nested(random: Random) -> str:
    depth = random.choice((5, 28, 29, 30, 31, 200))
    return "data: {use: quadratic, targets: " + "[" * depth + "1" + "]" * depth + "}\n"


def _wide(random: Random) -> str:
    value = random.choice(("1", "x", "[]", "{}", "{use: ring}", "null", "", "'", "*a", "&a 1", "!t 1"))
    key = random.choice(("key{k}", "same", "data{k}", "'{k}'", "<<", "methods", "- {k}", "{k}", "seed.{k}"))
    return "\n".join(f"{key.format(k=k)}: {value}" for k in range(min(_size(random), 60_000)))


def _items(random: Random) -> str:
    path = random.choice((
        "data: {use: quadratic, targets: ", "methods: ", "data: {use: csv, path: x, target: y, drop: ", "name: ", "",
        "model: {use: mlp, hidden: ", "faults: {delays: ", "topology: {use: file, path: ",
    ))  # fmt: skip
    item = random.choice(("1", "x", "[]", "[1]", "[x]", "{}", "{a: 1}", "null", "1e999", "{algorithm: {use: x}}", "*a"))
    end = "}" if path.count("{") else ""
    return f"{path}[{', '.join([item] * min(_size(random), 60_000))}]{end}\n"


def _long(random: Random) -> str:
    text = random.choice(
        ("x", "9", "é", " ", "'", "\\", "-", "a ", "a: ", "# ", "\t", "\n", "\r", "\r\n", "\n\n ", "%")
    )
    before = random.choice(
        ("", "name: ", "seed: ", "extends: ", "data: {use: ", "name: '", 'name: "', "name: |\n  ", "#")
    )
    return before + text * (_size(random) // len(text)) + random.choice(("", "\n", "'\n", '"\n', ": 1\n"))


def _numbers(random: Random) -> str:
    digits = random.choice("19") * _size(random)
    key, sign = random.choice(("seed", "rounds", "institutions")), random.choice(("", "-", "0x", "1.", "1e", "1e-"))
    return f"{key}: {sign}{digits}\n"


def _names(random: Random) -> str:
    """A legal shape in which one name is very long, or unlike a name."""
    length = random.choice((99, 101, 300, 5_000, 200_000))
    name = random.choice((_word(random, length), '"' + "\\n" * length + '"', '"' + "\\e[7m" * length + '"'))
    place = random.choice((
        "name: {}", "data: {{use: {}}}", "{}: 1", "algorithm: {{use: swarm/dpsgd, {}: 1}}", "extends: {}",
        "methods: [{{label: {}}}]", "runtime: {{use: {}}}", "data: {{use: csv, path: {}, target: {{a: {}}}}}",
        "data: {{use: joined, tables: {{{}: {{path: x}}}}, labels: {}, target: y}}",
    ))  # fmt: skip
    return place.replace("{}", name).replace("{{", "{").replace("}}", "}") + "\n"


BOMBS: tuple[Callable[[Random], str], ...] = (
    _laughs, _deep, _nested, _wide, _wide, _items, _items, _long, _numbers, _names,
)  # fmt: skip
