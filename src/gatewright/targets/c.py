"""Target `c`: a circuit as a C99 function over words of any width, or a model over rows of numbers.

A word carries one sample a bit, so a gate is one operation on words. There are two forms: the
straight-line one (`c_straight`), and a table-driven one (`c_table`) that takes compilers no time
and mostly less flash, and runs slower. Around a model's circuit come its comparisons of numbers
with limits and the reading of its outputs (`c_model`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from gatewright.circuit import Circuit
from gatewright.errors import InputError
from gatewright.model import Model
from gatewright.sides import HasCircuit
from gatewright.targets import c_check, c_model, c_model_check, c_model_header, c_straight, c_table
from gatewright.targets.c_bits import Comparisons
from gatewright.targets.c_names import comment, identifier
from gatewright.targets.c_order import arranged
from gatewright.targets.c_size import Size

FORMS = ("auto", "straight", "table")

#: Gates up to which the automatic form is the straight-line one (`benchmarks/c_forms.py`).
MOST_STRAIGHT = 20_000


@dataclass(frozen=True)
class Artefact:
    """What was written, and what is said of it.

    Attributes:
        files: name -> content.
        form: "straight" or "table".
        gates: of the circuit as it is computed.
        features: the type of a row's numbers, of a model; else None.
        size: on a Cortex-M, as estimated.
    """

    files: dict[str, bytes]
    form: str
    gates: int
    features: str | None
    size: Size

    @property
    def about(self) -> dict[str, Any]:
        """As JSON can hold it."""
        features = {} if self.features is None else {"features": self.features}
        return {"form": self.form, "gates": self.gates, **features, "cortex_m": self.size.about}

    def __str__(self) -> str:
        rows = "" if self.features is None else f", rows of {self.features}"
        return f"{self.form} form, {self.gates} gates{rows}; on a Cortex-M {self.size}"


def write(
    subject: Circuit | HasCircuit, form: str = "auto", features: str = "auto"
) -> dict[str, bytes]:
    """Return the files of `made`."""
    return made(subject, form, features).files


def made(subject: Circuit | HasCircuit, form: str = "auto", features: str = "auto") -> Artefact:
    """Write {name.c, name.h, name_test.c, name_vectors.h}; name is the circuit's, made C's.

    A model that is more than a circuit also gets name_model.h, and name.c holds what it declares;
    its circuit then has only the inputs that it reads. The headers document the interface. The test
    program runs the vectors (of a circuit every row of few inputs, else random ones), prints
    "N vectors, 0 wrong" and exits 0, or prints the first wrong vector and exits 1.

    Args:
        form: of `FORMS`; "auto" is "straight" up to `MOST_STRAIGHT` gates. A circuit without gates
            is always that.
        features: the type of a row's numbers, of `c_bits.FEATURES`; "auto" is that of
            `c_bits.natural_features`.

    Raises:
        InputError: there is no such form or type, or the model cannot be written in C.
    """
    if form not in FORMS:
        raise InputError(f"the form is one of {', '.join(FORMS)}, not {form!r}")
    if isinstance(subject, Model):
        model = subject
    else:
        model = Model(subject if isinstance(subject, Circuit) else subject.circuit)
    if model.encoder is None and model.num_classes is None and model.numbers is None:
        if features != "auto":
            raise InputError(
                f"circuit {model.circuit.name} takes bits, so its rows are not of {features}; "
                "leave features out"
            )
        return _of_circuit(model.circuit, form)
    return _of_model(model, form, features)


def _of_circuit(given: Circuit, form: str) -> Artefact:
    circuit = arranged(given)
    core = _Core.of(circuit, form)
    name = identifier(circuit.name)
    texts = {
        f"{name}.c": core.source,
        f"{name}.h": core.header,
        f"{name}_test.c": c_check.PROGRAM,
        f"{name}_vectors.h": c_check.vectors(given),
    }
    return Artefact(_encoded(texts, name), core.form, circuit.num_gates, None, core.whole_size)


def _of_model(model: Model, form: str, features: str) -> Artefact:
    comparisons = Comparisons.of(model, features)
    circuit = arranged(comparisons.circuit)
    comparisons = replace(comparisons, circuit=circuit)
    core = _Core.of(circuit, form)
    num_values = core.num_values if core.form == "table" else circuit.num_inputs
    size = core.size.with_model(comparisons, model, num_values)
    name = identifier(circuit.name)
    texts = {
        f"{name}.c": core.source + c_model.source(model, comparisons, core.form == "table"),
        f"{name}.h": core.header,
        f"{name}_model.h": c_model_header.header(model, comparisons, _about(core.form, size)),
        f"{name}_test.c": c_model_check.program(model, comparisons.features),
        f"{name}_vectors.h": c_model_check.vectors(model, comparisons.features),
    }
    files = _encoded(texts, name)
    return Artefact(files, core.form, circuit.num_gates, comparisons.features, size)


def _encoded(texts: dict[str, str], name: str) -> dict[str, bytes]:
    return {
        file: text.replace("@name", name).replace("@NAME", name.upper()).encode()
        for file, text in texts.items()
    }


@dataclass(frozen=True)
class _Core:
    """The circuit's own function, in one of the forms.

    Attributes:
        num_values: words of its stack.
        size: as estimated, of the table-driven form in place.
        source: the content of name.c.
    """

    circuit: Circuit
    form: str
    num_values: int
    size: Size
    source: str

    @staticmethod
    def of(circuit: Circuit, form: str) -> _Core:
        if form == "auto":
            form = "straight" if circuit.num_gates <= MOST_STRAIGHT else "table"
        head = _declaration(circuit)
        if form == "straight" or not circuit.num_gates:
            plan = c_straight.Plan.of(circuit)
            text = _SOURCE_TOP + c_straight.source(circuit, plan, head)
            size = Size.of_straight(circuit, plan)
            return _Core(circuit, "straight", plan.num_slots, size, text)
        program = c_table.Program.of(circuit)
        text = _SOURCE_TOP + c_table.source(program, head)
        return _Core(circuit, "table", program.num_slots, Size.of_table(program), text)

    @property
    def whole_size(self) -> Size:
        """Of the function on its own."""
        return self.size.with_values(self.num_values) if self.form == "table" else self.size

    @property
    def header(self) -> str:
        """The content of name.h."""
        circuit = self.circuit
        lists = ""
        for title, array, names in (
            ("Inputs", "in", circuit.input_names),
            ("Outputs", "out", circuit.output_names),
        ):
            lists += f" *\n * {title}:{'' if names else ' none'}\n"
            lists += "".join(f' *   {array}[{i}]  "{comment(n)}"\n' for i, n in enumerate(names))
        is_table = self.form == "table"
        return (
            _HEADER.replace("@counts", f"{circuit.num_gates} gates")
            .replace("@about", _about(self.form, self.whole_size))
            .replace("@lists", lists)
            .replace("@num_inputs", str(circuit.num_inputs))
            .replace("@num_outputs", str(circuit.num_outputs))
            .replace("@values", "#define @NAME_NUM_VALUES @num_slots\n" if is_table else "")
            .replace("@num_slots", str(self.num_values))
            .replace("@declaration", _declaration(circuit))
            .replace("@in_place", _IN_PLACE if is_table else "")
        )


def _about(form: str, size: Size) -> str:
    """What a header says of form and size."""
    lines = _FORMS[form] + size.comment
    return "".join(f" * {line}\n" for line in lines.splitlines())


def _declaration(circuit: Circuit) -> str:
    """The function's head; C has no arrays of length 0, so an empty side is a plain pointer."""
    inputs = "in[@NAME_NUM_INPUTS]" if circuit.num_inputs else "*in"
    outputs = "out[@NAME_NUM_OUTPUTS]" if circuit.num_outputs else "*out"
    return f"void @name(const @name_word {inputs}, @name_word {outputs})"


_FORMS = {
    "straight": "Form: straight-line, an expression a gate.\n",
    "table": "Form: table-driven, a constant array that a loop reads.\n",
}

_IN_PLACE = """
/* The same in place: the inputs are the first of the values, which are overwritten. */
void @name_in_place(@name_word values[@NAME_NUM_VALUES], @name_word out[@NAME_NUM_OUTPUTS]);
"""

_HEADER = """\
/* @name: a circuit of @counts, generated by Gatewright. C99.
 *
 * @name() evaluates as many samples at once as a word has bits: sample s is bit s of each word
 * (in a vector, bit s % 64 of its 64-bit lane s / 64). It keeps no state, so threads may share it.
 * in and out must not overlap. Values take @NAME_STACK_BYTES bytes of stack, beside what the
 * compiler spills.
 *
@about@lists *
 * A word has 64 bits, or 32 where pointers have no more, or is what the compiler is told, the same
 * for every file that includes this:
 *   -D@NAME_WORD=uint8_t         an unsigned integer type: uint8_t, uint16_t, uint32_t, uint64_t
 *   -D@NAME_VECTOR_BYTES=64      a vector of 16, 32 or 64 bytes (GCC and Clang); in and out must
 *                                then be aligned to as many bytes
 */
#ifndef @NAME_H
#define @NAME_H

#include <stdint.h>

#if defined(@NAME_VECTOR_BYTES)
#if !defined(__GNUC__) || defined(__TINYC__)
#error "@NAME_VECTOR_BYTES needs the vector_size attribute of GCC or Clang: use @NAME_WORD"
#elif defined(@NAME_WORD)
#error "define one of @NAME_VECTOR_BYTES and @NAME_WORD"
#elif @NAME_VECTOR_BYTES != 16 && @NAME_VECTOR_BYTES != 32 && @NAME_VECTOR_BYTES != 64
#error "@NAME_VECTOR_BYTES is 16, 32 or 64"
#endif
typedef uint64_t @name_word __attribute__((vector_size(@NAME_VECTOR_BYTES)));
#elif defined(@NAME_WORD)
typedef @NAME_WORD @name_word;
#elif UINTPTR_MAX > 0xffffffffU
typedef uint64_t @name_word;
#else
typedef uint32_t @name_word;
#endif

#define @NAME_NUM_INPUTS @num_inputs
#define @NAME_NUM_OUTPUTS @num_outputs
@values#define @NAME_STACK_BYTES (@num_slots * sizeof(@name_word))

#ifdef __cplusplus
extern "C" {
#endif

@declaration;
@in_place
#ifdef __cplusplus
}
#endif

#endif
"""

_SOURCE_TOP = """\
/* Generated by Gatewright; @name.h documents the interface. */
#include "@name.h"

"""
