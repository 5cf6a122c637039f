"""How a block of a 7z archive is unpacked: steps, each of which takes packed data or what other steps give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dumpscan.containers.seven_zip_bcj2 import branches_put_back
from dumpscan.containers.seven_zip_coders import (
    BCJ,
    BCJ2,
    Coder,
    decoded,
    is_packing,
    memory_problem,
    method_problem,
)
from dumpscan.containers.seven_zip_fields import Fields
from dumpscan.decoders import Damage

_MOST_CODERS = 32
_INPUTS = {BCJ2: 4}


@dataclass(frozen=True, slots=True)
class Step:
    """A method, how many bytes it gives, and what it takes: other steps, or packed streams by their number."""

    coder: Coder
    size: int
    inputs: tuple[Step | int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The methods of a block as a directory has them; ``inputs`` is how many each takes.

    ``bound`` has the methods whose output goes to an input; the other inputs are packed streams.
    """

    coders: tuple[Coder, ...]
    inputs: tuple[int, ...]
    bound: dict[int, int]
    packed: tuple[int, ...]

    @property
    def packed_streams(self) -> int:
        """How many packed streams the block has."""
        return len(self.packed)

    @staticmethod
    def read(fields: Fields) -> Plan:
        """Raises :class:`Damage`."""
        coders: list[Coder] = []
        inputs: list[int] = []
        for _ in range(fields.count(_MOST_CODERS, "methods of one block")):
            flags = fields.byte()
            method = fields.take(flags & 15)
            inputs.append(fields.count(_MOST_CODERS, "inputs of a method") if flags & 0x10 else 1)
            if flags & 0x10 and (outputs := fields.number()) != 1:
                raise Damage(f"has a method with {outputs} outputs")
            coders.append(Coder(method, fields.take(fields.number()) if flags & 0x20 else b""))
        count = sum(inputs) - len(coders) + 1
        bound = {}
        for _ in coders[1:]:
            target, origin = fields.number(), fields.number()
            bound[target] = origin
        packed = [fields.number() for _ in range(count)] if count > 1 else sorted(set(range(sum(inputs))) - set(bound))
        if not coders or {*bound, *packed} != set(range(sum(inputs))) or len(packed) != count:
            raise Damage("is damaged: the methods of a block do not fit together")
        return Plan(tuple(coders), tuple(inputs), bound, tuple(packed))

    def step(self, sizes: Sequence[int]) -> Step:
        """The last step, with those before it in it; raises :class:`Damage` if they are not a tree."""
        last = set(range(len(self.coders))) - set(self.bound.values())
        used: list[int] = []
        if len(last) == 1:
            step = self._step(last.pop(), sizes, used)
            if len(used) == len(self.coders):
                return step
        raise Damage("is damaged: the methods of a block do not fit together")

    def _step(self, number: int, sizes: Sequence[int], used: list[int]) -> Step:
        if number in used or number >= len(self.coders):
            raise Damage("is damaged: the methods of a block do not fit together")
        used.append(number)
        first = sum(self.inputs[:number])
        inputs: list[Step | int] = []
        for i in range(first, first + self.inputs[number]):
            if i in self.bound:
                inputs.append(self._step(self.bound[i], sizes, used))
            else:
                inputs.append(self.packed.index(i))
        return Step(self.coders[number], sizes[number], tuple(inputs))


def obstacle(step: Step) -> str:
    """Why a block cannot be unpacked; empty if it can.

    One method that packs is allowed on the way from packed data: bombs in bombs could do endless work for few bytes.
    """
    steps = list(_all(step))
    problems = [method_problem(one.coder) for one in steps]
    problems += [memory_problem(one.coder, one.size) for one in steps]
    problems += [_size_problem(one) for one in steps]
    if _packings(step) > 1:
        problems.append("is packed several times over")
    return next(filter(None, problems), "")


def _all(step: Step) -> Iterator[Step]:
    yield step
    for one in step.inputs:
        if isinstance(one, Step):
            yield from _all(one)


def _packings(step: Step) -> int:
    before = (_packings(one) for one in step.inputs if isinstance(one, Step))
    return is_packing(step.coder) + max(before, default=0)


def _size_problem(step: Step) -> str:
    """What is wrong with the sizes around a step that gives as many bytes as it takes; BCJ2 takes some more as code."""
    if len(step.inputs) != _INPUTS.get(step.coder.method, 1):
        return f"is packed by a method with {len(step.inputs)} inputs, which is not read"
    taken = step.inputs[:3] if step.coder.method == BCJ2 else step.inputs
    sizes = [one.size for one in taken if isinstance(one, Step)]
    if not is_packing(step.coder) and len(sizes) == len(taken) and sum(sizes) != step.size:
        return "states sizes that contradict one another"
    return ""


def unpacked(step: Step, packed: Sequence[Iterator[bytes]]) -> Iterator[bytes]:
    """The plain bytes of a block without :func:`obstacle`; raises :class:`Damage` if they are not all there."""
    inputs = [unpacked(one, packed) if isinstance(one, Step) else packed[one] for one in step.inputs]
    if step.coder.method == BCJ2:
        return branches_put_back(step.size, *inputs)
    return decoded(step.coder, step.size, inputs[0])


def chain(step: Step) -> tuple[Coder, ...]:
    """The methods from the packed data on, for writing: BCJ2, which takes four streams, becomes BCJ of one."""
    first = step.inputs[0] if step.inputs else 0
    mine = Coder(BCJ) if step.coder.method == BCJ2 else step.coder
    return (*(chain(first) if isinstance(first, Step) else ()), mine)
