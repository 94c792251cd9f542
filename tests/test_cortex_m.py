"""Emitted C on a Cortex-M: the example of the guide under QEMU, and sizes against estimates."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from examples import ENVIRONMENT, examples_of, run_python
from gatewright.circuit import Circuit
from gatewright.model import Model
from gatewright.targets import c
from gatewright.targets.c_bits import c_type
from gatewright.targets.c_model_header import Result
from gatewright.targets.c_size import SLACK, TOLERANCE
from random_circuits import large, multiplier
from test_targets_c import FORMS, STRICT, draw_circuit, draw_deep_circuit
from test_targets_c_model import digits_model, draw_model

pytestmark = pytest.mark.needs_tool("arm-none-eabi-gcc", "qemu-system-arm")

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "cortex-m"
TARGET = ("-mcpu=cortex-m3", "-mthumb")
QEMU = (
    "qemu-system-arm -M mps2-an385 -display none -serial none -monitor none -chardev stdio,id=out "
    "-semihosting-config enable=on,target=native,chardev=out -kernel"
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's folder, with the model and the rows of the guide's page."""
    folder = tmp_path_factory.mktemp("example") / "cortex-m"
    shutil.copytree(EXAMPLE, folder)
    page = (ROOT / "docs" / "microcontroller.md").read_text()
    (code,) = (one.content for one in examples_of(page) if one.language == "python")
    run_python(code, folder)
    return folder


def make(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["make", "--silent", *arguments],
        cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("form", FORMS)
def test_the_example_prints_what_the_model_predicts(trained: Path, form: str) -> None:
    make(trained, "clean")
    *_, stack = lines = make(trained, "run", f"FORM={form}").splitlines()
    images = load_digits().data.astype(np.uint8)[1500:1540]
    model = Model.load(trained / "digits.safetensors")
    labels, size = model.predict(images), c.made(model, form).size
    assert lines[-41:-1] == [str(label) for label in labels]
    assert len(set(labels.tolist())) == 10
    assert f"Form: {form}" in (trained / "build" / "digits_model.h").read_text()
    found = re.fullmatch(r"stack: (\d+) bytes", stack)
    assert found
    assert_near(size.stack, int(found[1]))
    sizes = [line.split() for line in make(trained, "size").splitlines()[-2:]]
    assert_near(size.flash, int(sizes[0][0]))
    assert sizes[0][-1] == "build/digits.o"
    assert {(data, bss) for _, data, bss, *_ in sizes} == {("0", "0")}


def test_the_example_fails_where_something_is_wrong(trained: Path) -> None:
    """A batch that says something else ends the emulator with another exit code."""
    make(trained, "clean")
    make(trained, "build/digits.h")
    source = trained / "build" / "digits.c"
    text = source.read_text()
    source.write_text(text.replace("const size_t most = 8U *", "const size_t most = 1U + 8U *"))
    assert source.read_text() != text
    done = subprocess.run(
        ["make", "--silent", "run"], cwd=trained, env=ENVIRONMENT, capture_output=True, check=False
    )
    assert done.returncode != 0


def assert_near(estimate: int, really: int) -> None:
    assert abs(estimate - really) <= TOLERANCE * really + SLACK, (estimate, really)


MAIN = """\
#include "@header"
#include "startup.h"
int main(void) {
  @call
  print_number(stack_used());
  return 0;
}
"""


def measured(subject: Circuit | Model, form: str, features: str, folder: Path) -> tuple[int, int]:
    """Bytes of flash and of stack that the emitted C really takes."""
    made = c.made(subject, form, features)
    assert made.form == form
    circuit = subject if isinstance(subject, Circuit) else subject.circuit
    name = c.identifier(circuit.name)
    if made.features is None:
        call = f"static {name}_word in[{circuit.num_inputs}], out[{circuit.num_outputs}];\n"
        call += f"  {name}(in, out);"
    else:
        assert isinstance(subject, Model)
        kind = Result.of(subject).kind
        call = f"static {c_type(made.features)} row[{name.upper()}_NUM_FEATURES];\n"
        call += f"  static {kind} result[{name.upper()}_NUM_RESULTS];\n"
        call += f"  {name}_predict_batch(row, 1U, result);"
    header = f"{name}.h" if made.features is None else f"{name}_model.h"
    files = dict(made.files)
    files["main.c"] = MAIN.replace("@header", header).replace("@call", call).encode()
    for file in ("startup.c", "startup.h", "memory.ld"):
        files[file] = (EXAMPLE / file).read_bytes()
    for file, content in files.items():
        (folder / file).write_bytes(content)

    def size_of(*sources: str) -> int:
        flags = (*TARGET, "-O2", "-ffreestanding", "-ffunction-sections", "-fdata-sections")
        link = ("-nostdlib", "-Wl,--gc-sections", "-T", "memory.ld", "-lgcc", "-o", "all.elf")
        command = ["arm-none-eabi-gcc", *STRICT, *flags, *sources, *link]
        subprocess.run(command, cwd=folder, check=True)
        done = subprocess.run(
            ["arm-none-eabi-size", "all.elf"], cwd=folder, capture_output=True, check=True
        )
        text, data, _ = map(int, done.stdout.split()[6:9])
        return text + data

    (folder / "empty.c").write_text(MAIN.replace('#include "@header"\n', "").replace("@call", ""))
    empty = size_of("empty.c", "startup.c")
    own = [file for file in made.files if file.endswith(".c") and not file.endswith("_test.c")]
    flash = size_of(*own, "main.c", "startup.c") - empty
    run = subprocess.run(
        [*QEMU.split(), "all.elf"], cwd=folder, capture_output=True, timeout=60, check=True
    )
    return flash, int(run.stdout)


SUBJECTS = {
    "few gates": (lambda: large(20), "auto"),
    "hundreds of gates": (lambda: draw_deep_circuit(0, 400), "auto"),
    "thousands of gates": (lambda: draw_deep_circuit(1, 4000), "auto"),
    "a multiplier": (lambda: multiplier(16, False), "auto"),
    "many outputs": (lambda: draw_circuit(2, 200, 3000, 300), "auto"),
    "a model of uint8": (digits_model, "uint8"),
    "a model of float": (lambda: draw_model(14, "float", head=3), "float"),
    "numbers of double": (lambda: draw_model(14, "double", head=2), "double"),
    "numbers of int16": (lambda: draw_model(6, "int16", head=1), "int16"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("which", SUBJECTS)
def test_sizes_are_as_estimated(which: str, form: str, tmp_path: Path) -> None:
    build, features = SUBJECTS[which]
    subject = build()
    flash, stack = measured(subject, form, features, tmp_path)
    size = c.made(subject, form, features).size
    print(which, form, "flash", flash, size.flash, "stack", stack, size.stack)
    assert_near(size.flash, flash)
    assert_near(size.stack, stack)


def test_bytes_need_no_floating_point(tmp_path: Path) -> None:
    """A model of images calls none of the compiler's arithmetic on floats, and no library."""
    made = c.made(digits_model())
    for file, content in made.files.items():
        (tmp_path / file).write_bytes(content)
    command = ["arm-none-eabi-gcc", *TARGET, *STRICT, "-O2", "-ffreestanding", "-c"]
    subprocess.run([*command, "digits.c"], cwd=tmp_path, check=True)
    done = subprocess.run(
        ["arm-none-eabi-nm", "-u", "digits.o"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert re.findall(r"U (\w+)", done.stdout) == []
