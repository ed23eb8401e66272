"""Real experiment files, spoiled: in their text, in their tree, by overrides, and by what they extend."""

from __future__ import annotations

import copy
from functools import cache
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import yaml

from tests.guarantees.input_case import EXPERIMENTS, MAIN, Case
from tests.guarantees.input_documents import PIECES
from tests.guarantees.input_shapes import WRONG, dumped

__all__ = ["chain", "mutation", "overriding"]


@cache
def _originals() -> tuple[tuple[str, bytes], ...]:
    """Every experiment file by its path below the folder, in one order everywhere."""
    files = sorted(EXPERIMENTS.rglob("*.yaml"), key=lambda path: path.as_posix())
    return tuple((path.relative_to(EXPERIMENTS).as_posix(), path.read_bytes()) for path in files)


def _whole(name: str, content: bytes) -> dict[str, bytes]:
    """A file with those beside it that it may extend."""
    folder = Path(name).parent
    beside = {Path(other).name: text for other, text in _originals() if Path(other).parent == folder}
    return {**({} if b"extends" not in content else beside), MAIN: content}


def mutation(random: Random) -> Case:
    """One to four changes to an experiment file, in its lines, its bytes or its tree."""
    name, content = random.choice(_originals())
    way = random.choice((_in_lines, _in_lines, _in_bytes, _in_tree, _in_tree, _in_tree))
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        content = way(random, content)
    return Case(_whole(name, content))


def _in_lines(random: Random, content: bytes) -> bytes:
    lines = content.decode(errors="replace").split("\n")
    k, other = random.randrange(len(lines)), random.randrange(len(lines))
    line = lines[k]
    at = random.randint(0, len(line))
    lines[k : k + 1] = random.choice((
        [], [line, line], [lines[other]], [line[:at]], [" " * random.randint(1, 3) + line], [line.lstrip()],
        [line[:at] + random.choice(PIECES) + line[at:]], [line[:at] + line[at + 1 :]], ["\t" + line], [f"- {line}"],
        [f"[{line}]"], [line, "".join(random.choices(PIECES, k=5))], [line.swapcase()], [line + "\r"], [line, "---"],
        [line.replace(": ", ":", 1)], [line.replace("{", "[").replace("}", "]")], [line.replace(",", "")],
    ))  # fmt: skip
    return "\n".join(lines if random.random() < 0.9 else lines[: k + 1]).encode("utf-8", "replace")


def _in_bytes(random: Random, content: bytes) -> bytes:
    spoiled = bytearray(content)
    for _ in range(random.randint(1, 3)):
        if spoiled:
            spoiled[random.randrange(len(spoiled))] ^= 1 << random.randrange(8)
    return bytes(spoiled[: random.randint(0, len(spoiled))] if random.random() < 0.1 else spoiled)


def _in_tree(random: Random, content: bytes) -> bytes:
    try:
        tree = yaml.safe_load(content)
    except (yaml.YAMLError, UnicodeDecodeError):
        return content
    if not isinstance(tree, dict) or not tree:
        return content
    tree = copy.deepcopy(tree)
    holder, key = random.choice(list(_places(tree)))
    change = random.choice((_drop, _rename, _replace, _replace, _wrap, _swap, _add))
    change(random, tree, holder, key)
    return dumped(tree, random.choice((None, False)))


def _places(value: Any):
    """Every (container, key) of a tree."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from _places(value[key])


def _drop(_random: Random, _tree: Any, holder: Any, key: Any) -> None:
    del holder[key]


def _rename(random: Random, _tree: Any, holder: Any, key: Any) -> None:
    if isinstance(holder, dict):
        k, word = random.randint(0, len(str(key))), str(key)
        holder[random.choice((word[:k] + word[k + 1 :], word[:k] + "e" + word[k:], word.upper(), ""))] = holder.pop(key)


def _replace(random: Random, _tree: Any, holder: Any, key: Any) -> None:
    old = holder[key]
    near = (old * 2, -old, old + 1, 0, old / 7) if isinstance(old, (int, float)) else (str(old) + "x", str(old)[1:])
    holder[key] = random.choice((*near, *random.sample(WRONG, 3)))


def _wrap(random: Random, _tree: Any, holder: Any, key: Any) -> None:
    holder[key] = random.choice(([holder[key]], {"use": holder[key]}, [holder[key], holder[key]], str(holder[key])))


def _swap(random: Random, tree: Any, holder: Any, key: Any) -> None:
    """The value of another place, so that a section stands where another belongs."""
    other, name = random.choice(list(_places(tree)))
    holder[key] = copy.deepcopy(other[name])


def _add(random: Random, _tree: Any, holder: Any, _key: Any) -> None:
    if isinstance(holder, list):
        holder.append(random.choice(WRONG))
    else:
        holder[random.choice(("use", "lr", "label", "batch", "seed", "extends", "nodes", "path"))] = random.choice(
            WRONG
        )


# ------------------------------------------------------------------------------------------- overrides

STEPS = (
    "algorithm", "use", "lr", "methods", "0", "1", "99", "-1", "data", "targets", "seed", "run", "x", "runtime",
    "hosts", "topology", "rounds", "extends", "label", "model", "faults", "", " ", "00",
    "0" * 300, "9" * 5000, "\x1b[31m", "<<",
)  # fmt: skip


def overriding(random: Random) -> Case:
    """An experiment file as it is, with one to four overrides, of which most name something that is there."""
    name, content = random.choice(_originals())
    tree = yaml.safe_load(content)
    overrides = tuple(_override(random, tree) for _ in range(random.choice((1, 1, 2, 4))))
    return Case(_whole(name, content), overrides)


def _override(random: Random, tree: Any) -> str:
    if random.random() < 0.1:
        return "".join(random.choices(PIECES, k=random.randint(0, 12)))
    steps, old = _real_path(random, tree) if random.random() < 0.7 else (random.choices(STEPS, k=3), "x")
    if not isinstance(old, (dict, list)) and random.random() < 0.5:
        return f"{'.'.join(steps)}={random.choice((old, old, 2, 0.5, 'null'))}"
    if random.random() < 0.2:
        steps = [*steps, random.choice(STEPS)] * random.choice((1, 1, 1, 20, 5_000))
    value = random.choice((
        random.choice(PIECES), "1", "0.5", "{use: ring}", "[1, 2]", "null", "", "{}", "x", "{use: swarm/dpsgd, lr: 1}",
        "[" * random.choice((3, 100_000)), "x" * random.choice((10, 100_000)), "&a 1", "!!int 1", "a: b\nc: d",
    ))  # fmt: skip
    return f"{'.'.join(steps)}={value}"


def _real_path(random: Random, tree: Any) -> tuple[list[str], Any]:
    """A path that is there, and what stands at its end."""
    steps = []
    while isinstance(tree, (dict, list)) and tree and (not steps or random.random() < 0.85):
        key = random.choice(list(tree) if isinstance(tree, dict) else range(len(tree)))
        steps.append(str(key))
        tree = tree[key]
    return steps, tree


# ------------------------------------------------------------------------------------------- extends


def chain(random: Random) -> Case:
    """Files that extend each other: in a circle, too long, into folders, out of the folder, of any name."""
    length = random.choice((1, 2, 3, 9, 10, 11, 40))
    names = [MAIN, *(f"{'sub/' * random.randrange(2)}file{k}.yaml" for k in range(1, length))]
    end = random.choice((
        "extends: main.yaml\n", "extends: .\n", "extends: ..\n", "extends: sub\n", "extends: nowhere.yaml\n",
        "extends: ../../../../../../../../../etc/passwd\n", "extends: /etc/passwd\n", "extends: /dev/zero\n",
        "extends: ''\n", "extends: ' '\n", "extends: ../../../../../../../dev/zero\n", "extends: [a]\n",
        "extends: ~root/x\n", f"extends: {'a' * random.choice((255, 256, 5_000))}\n", "extends: 3\n", "extends: null\n",
        f"extends: {'../' * 3_000}x\n", f"extends: {'./' * 100_000}x\n", 'extends: "a\\nb"\n', 'extends: "\\e[31m"\n',
        'extends: "\\0"\n', "extends: {a: 1}\n", "extends: 'file://x'\n", "extends: nowhere.yaml\nextends: x\n",
        "- a\n", "", "name: [", "extends: MAIN.YAML\n", "extends: main.yaml/../main.yaml\n", "extends: main.yaml/x\n",
    ))  # fmt: skip
    whole = random.choice(_originals())[1] if random.random() < 0.4 else b""
    files = {}
    for name, parent in pairwise(names):
        up = "../" if name.startswith("sub/") else ""
        files[name] = f"extends: {up}{parent}\nrounds: {random.choice(('2', 'x', '{}'))}\n".encode()
    files[names[-1]] = end.encode() + whole.replace(b"extends:", b"rounds:")
    return Case(files, folders=("sub",))
