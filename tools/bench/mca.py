#!/usr/bin/env python3
"""llvm-mca's estimate of the kernels' inner loops on three cores of Arm, beside plain compiled C (docs/arm.md).

    cmake -S . -B build/aarch64 -DCMAKE_TOOLCHAIN_FILE=cmake/aarch64.cmake -DINFERD_ENGINE_ONLY=ON -DINFERD_TESTS=OFF
    cmake --build build/aarch64 --target inferd_engine
    tools/bench/mca.py [--build build/aarch64] [--llvm-mca llvm-mca-22] [--loop KERNEL] [--markdown]

A kernel's inner loop is that of its compiled function, without a loop inside, that multiplies most; --loop prints it.
Cycles are those of many iterations with all data in the first cache.
Of a kernel that works in runs it is the loop around that, with the inner one as often as a whole run has it.  The peak is what llvm-mca says of the densest
multiply-add that the kernel's level has, alone and without dependencies; rows of plain C have that of the row above.
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys

# LLVM has no description of the Cortex-A76 of its own (it takes that of the A57); Neoverse N1 is the A76 for servers.
CORES = {"A55": "cortex-a55", "A76": "neoverse-n1", "X1": "cortex-x1"}
FEATURES = "+dotprod,+i8mm,+fullfp16,+fp16fml"
ITERATIONS = 200

# Inner loops of a run: KERNEL_F16_RUN / KERNEL_F16_KR.
RUNS = {"igemm_f16 fp16": 8}

# Kernel, object, function, densest multiply-add; what is indented is plain C.  Of plain depthwise int8 GCC makes no loop
# that would stand for it.
KERNELS = [
    ("igemm_f32 neon", "igemm_f32_neon", "igemm_f32_8x8_neon", "fmla {}.4s, v30.4s, v31.4s"),
    ("  plain C", "igemm_scalar", "igemm_f32_4x8_scalar", None),
    ("igemm_f16 fp16", "igemm_f16_fp16", "igemm_f16_8x16_fp16", "fmla {}.8h, v30.8h, v31.8h"),
    ("igemm_s8 neon", "igemm_s8_neon", "igemm_s8_4x8_neon", "smlal {}.8h, v30.8b, v31.8b"),
    ("igemm_s8_wide neon", "igemm_s8_wide_neon", "igemm_s8_wide_8x8_neon", "smlal {}.4s, v30.4h, v31.4h"),
    ("  plain C", "igemm_scalar", "igemm_s8_4x8_scalar", None),
    ("igemm_s8 dotprod", "igemm_s8_dotprod", "igemm_s8_8x8_dotprod", "sdot {}.4s, v30.16b, v31.16b"),
    ("igemm_s8 i8mm", "igemm_s8_i8mm", "igemm_s8_4x16_i8mm", "smmla {}.4s, v30.16b, v31.16b"),
    ("dwconv_f32 neon", "dwconv_f32_neon", "whole_3_1", "fmla {}.4s, v30.4s, v31.4s"),
    ("  plain C", "igemm_scalar", "dwconv_f32_scalar", None),
    ("dwconv_s8 neon", "dwconv_s8_neon", "dwconv_s8_neon", "smlal {}.4s, v30.4h, v31.4h"),
    ("dots_s8 neon", "dots_s8_neon", "dots_s8", "smlal {}.8h, v30.8b, v31.8b"),
    ("  plain C", "dots_s8_scalar", "dots_s8", None),
    ("dots_s8 dotprod", "dots_s8_dotprod", "dots_s8", "sdot {}.4s, v30.16b, v31.16b"),
]
INSTRUCTION = re.compile(r"^ *([0-9a-f]+):\t(\S+)\s*([^/]*)")
BRANCH = re.compile(r"^(b|b\.[a-z]+|cbn?z|tbn?z)$")


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build/aarch64"), metavar="DIR")
    parser.add_argument("--llvm-mca", metavar="PROGRAM", help="default: the newest llvm-mca-NUMBER, or llvm-mca")
    parser.add_argument("--objdump", default="aarch64-linux-gnu-objdump", metavar="PROGRAM")
    parser.add_argument("--loop", metavar="KERNEL", help="print the loops of the kernels of this name")
    parser.add_argument("--markdown", action="store_true", help="the table as docs/arm.md has it")
    return parser.parse_args()


def newest_llvm_mca():
    numbered = [name for name in (f"llvm-mca-{version}" for version in range(40, 12, -1)) if shutil.which(name)]
    if not numbered and not shutil.which("llvm-mca"):
        sys.exit("mca.py: there is no llvm-mca, which Debian's package llvm has")
    return numbered[0] if numbered else "llvm-mca"


def functions_of(objdump, path):
    """Name -> list of (address, mnemonic, operands)."""
    command = [objdump, "-d", "--no-show-raw-insn", path]
    functions, current = {}, None
    for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
        start = re.match(r"^[0-9a-f]+ <(.+)>:$", line)
        found = INSTRUCTION.match(line)
        if start:
            current = functions.setdefault(start[1], [])
        elif found and current is not None:
            current.append((int(found[1], 16), found[2], found[3].strip()))
    return functions


def target_of(mnemonic, operands):
    """Where a branch goes, None of what is none."""
    if not BRANCH.match(mnemonic):
        return None
    found = re.search(r"([0-9a-f]+) <", operands)
    return int(found[1], 16) if found else None


def multiply_adds(mnemonic, operands):
    """Of one instruction; a multiplication alone counts too, for its addition is one of its own."""
    if operands.startswith("x"):
        return 0  # of addresses
    registers = re.match(r"(?:v\d+\.(\d+)([bhsd])|[a-z]\d+)", operands)
    lanes = int(registers[1]) if registers and registers[1] else 1
    if mnemonic in ("sdot", "udot", "usdot"):
        return 4 * lanes
    if mnemonic in ("smmla", "ummla", "usmmla"):
        return 8 * lanes
    if re.match(r"^(f?ml[as]|[su]ml[as]l2?|[su]mull2?|f?mul|fn?m(add|sub)|fmlal2?|[su]?m(add|ull|addl))$", mnemonic):
        return lanes
    return 0


def loops_of(instructions):
    """(first address, last) of each."""
    loops = []
    for address, mnemonic, operands in instructions:
        target = target_of(mnemonic, operands)
        # The unconditional come back from code that seldom runs.
        if target is not None and target <= address and mnemonic != "b":
            loops.append((target, address))
    return loops


def inner_loop(instructions):
    """(multiply-adds, instructions) of the busiest loop that has none inside."""
    loops = loops_of(instructions)
    inner = [a for a in loops if not any(b != a and a[0] <= b[0] and b[1] <= a[1] for b in loops)]
    best = (0, [])
    for first, last in inner:
        body = [i for i in instructions if first <= i[0] <= last]
        best = max(best, (sum(multiply_adds(i[1], i[2]) for i in body), body), key=lambda loop: loop[0])
    return best


def whole_run(instructions, inner, times):
    """Instructions of the loop around an inner one, which is repeated."""
    first, last = inner[0][0], inner[-1][0]
    around = [loop for loop in loops_of(instructions) if loop[0] < first and last < loop[1]]
    begin, end = min(around, key=lambda loop: loop[1] - loop[0])
    before = [i for i in instructions if begin <= i[0] < first]
    return before + times * inner + [i for i in instructions if last < i[0] <= end]


def assembler_of(body):
    lines = []
    for _, mnemonic, operands in body:
        # Where branches go is nothing to llvm-mca.
        lines.append(f"{mnemonic} {re.sub(r'[0-9a-f]+ <.*>', 'away', operands)}")
    return "\n".join(lines) + "\n"


def cycles_of(program, cpu, text, iterations):
    command = [program, "-mtriple=aarch64", f"-mcpu={cpu}", f"-mattr={FEATURES}", f"-iterations={iterations}"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    found = re.search(r"^Total Cycles: +(\d+)", done.stdout, re.MULTILINE)
    if not found:
        sys.exit(f"mca.py: {program} says: {done.stderr.strip()}")
    return int(found[1]) / iterations


def peak_of(program, cpu, pattern):
    text = "\n".join(pattern.format(f"v{i}") for i in range(24)) + "\n"
    mnemonic, operands = text.splitlines()[0].split(" ", 1)
    return 24 * multiply_adds(mnemonic, operands) / cycles_of(program, cpu, text, ITERATIONS)


def rows_of(args, program):
    objects = args.build / "engine/CMakeFiles/inferd_engine.dir/kernels"
    dense = None
    for name, source, function, pattern in KERNELS:
        dense = pattern or dense
        path = objects / f"{source}.c.o"
        if not path.exists():
            sys.exit(f"mca.py: {path} is missing; build it as this script's head says")
        functions = functions_of(args.objdump, path)
        if function not in functions:
            sys.exit(f"mca.py: {source}.c.o has no function {function}")
        count, body = inner_loop(functions[function])
        if not count:
            sys.exit(f"mca.py: {function} has no loop that multiplies")
        if name in RUNS:
            # What is added to the sums of a run is no product of the network's.
            count, body = count * RUNS[name], whole_run(functions[function], body, RUNS[name])
        text = assembler_of(body)
        if args.loop and args.loop == name.strip():
            print(text)
        cores = []
        for cpu in CORES.values():
            cycles = cycles_of(program, cpu, text, ITERATIONS)
            cores.append((cycles, count / cycles, count / cycles / peak_of(program, cpu, dense)))
        yield name, count, len(body), cores


def line_of(cells):
    return cells[0].ljust(19) + "".join(cell.rjust(14) for cell in cells[1:])


def main():
    args = parse_args()
    program = args.llvm_mca or newest_llvm_mca()
    heads = ["kernel", "multiply-adds", "instructions"]
    heads += [f"{core} {what}" for core in CORES for what in ("cycles", "a cycle", "share")]
    if args.markdown:
        print("| " + " | ".join(heads) + " |")
        print("|---|" + "--:|" * (len(heads) - 1))
    else:
        print(line_of(heads))
    for name, count, size, cores in rows_of(args, program):
        cells = [name.strip() if args.markdown else name, str(count), str(size)]
        for cycles, rate, share in cores:
            cells += [f"{cycles:.1f}", f"{rate:.1f}", f"{100 * share:.0f} %"]
        print("| " + " | ".join(cells) + " |" if args.markdown else line_of(cells))


if __name__ == "__main__":
    main()
