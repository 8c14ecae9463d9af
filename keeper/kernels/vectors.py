"""Eight doubles as one value inside numba kernels: an LLVM vector type, so that a row of 40 scenarios is five registers.

Plain loops leave a factor of four on the table: LLVM neither keeps the row's accumulators in registers across positions
nor vectorises over scenarios first. With this type a kernel says what it means; without AVX-512 LLVM splits each vector
in two or four. Only usable inside `numba.njit` functions; values live in registers and never reach Python.
"""

from __future__ import annotations

import math
import operator
import struct
from typing import Any

import numba.extending
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import models, overload, register_model

__all__ = [
    "LANES",
    "Vector",
    "absolute",
    "blend_first",
    "equal_lanes",
    "exponent",
    "fma",
    "half",
    "lane",
    "larger",
    "pick",
    "polynomial",
    "positive",
    "power_of_two",
    "sign_bit",
    "smaller",
    "smallest",
    "splat",
    "splat_half",
    "square_root",
    "total",
    "transposed",
    "vector",
]

intrinsic: Any = numba.extending.intrinsic  # numba's own annotations describe the decorator's argument, not what it makes

LANES = 8
_DOUBLE = ir.DoubleType()
_I1, _I32, _I64 = ir.IntType(1), ir.IntType(32), ir.IntType(64)
_V = ir.VectorType(_DOUBLE, LANES)
_VI = ir.VectorType(_I64, LANES)
_BITS_OF_SQRT_HALF = int.from_bytes(struct.pack(">d", math.sqrt(0.5)), "big")


class Vector(types.Type):
    """numba type of <lanes x double>."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(name=f"Vector{lanes}d")


vector, half = Vector(LANES), Vector(LANES // 2)
"""The types of eight doubles and of four."""


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, ir.VectorType(_DOUBLE, fe_type.lanes))


def _splat(builder: Any, value: Any, kind: ir.VectorType = _V) -> Any:
    single = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(_I32, 0))
    return builder.shuffle_vector(single, ir.Constant(kind, ir.Undefined), ir.Constant(ir.VectorType(_I32, kind.count), [0] * kind.count))


def _constant(value: float) -> Any:
    return ir.Constant(_V, [value] * LANES)


def _call(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, [a.type for a in arguments]), name)
    return builder.call(function, arguments)


@intrinsic
def splat_half(typingctx: Any, value: Any) -> Any:
    """splat_half(x): x in all four lanes."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _splat(builder, args[0], ir.VectorType(_DOUBLE, half.lanes))

    return half(types.float64), generate


@intrinsic
def splat(typingctx: Any, value: Any) -> Any:
    """splat(x): x in all lanes."""
    return vector(types.float64), lambda context, builder, signature, args: _splat(builder, args[0])


@intrinsic
def lane(typingctx: Any, value: Any, index: Any) -> Any:
    """lane(v, i): v[i]."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.extract_element(args[0], builder.trunc(args[1], _I32))

    return types.float64(vector, types.intp), generate


@intrinsic
def fma(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """fma(a, b, c): a b + c, rounded once; of vectors or of halves."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _call(builder, f"llvm.fma.v{args[0].type.count}f64", args[0].type, list(args))

    return a(a, a, a), generate


def _binary(method: str) -> Any:
    @intrinsic
    def operation(typingctx: Any, a: Any, b: Any) -> Any:
        return vector(vector, vector), lambda context, builder, signature, args: getattr(builder, method)(*args)

    return operation


_add, _sub, _mul, _div = (_binary(method) for method in ("fadd", "fsub", "fmul", "fdiv"))


@overload(operator.add, strict=False)  # numba compares annotations too
def _overload_add(a: Any, b: Any) -> Any:
    return (lambda a, b: _add(a, b)) if isinstance(a, Vector) and isinstance(b, Vector) else None


@overload(operator.sub, strict=False)  # numba compares annotations too
def _overload_sub(a: Any, b: Any) -> Any:
    return (lambda a, b: _sub(a, b)) if isinstance(a, Vector) and isinstance(b, Vector) else None


@overload(operator.mul, strict=False)  # numba compares annotations too
def _overload_mul(a: Any, b: Any) -> Any:
    return (lambda a, b: _mul(a, b)) if isinstance(a, Vector) and isinstance(b, Vector) else None


@overload(operator.truediv, strict=False)  # numba compares annotations too
def _overload_div(a: Any, b: Any) -> Any:
    return (lambda a, b: _div(a, b)) if isinstance(a, Vector) and isinstance(b, Vector) else None


def _ordered(comparison: str) -> Any:
    """Minimum or maximum as compare and select, which is the processor's own instruction; NaN is not expected."""

    @intrinsic
    def operation(typingctx: Any, a: Any, b: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.select(builder.fcmp_ordered(comparison, *args), *args)

        return vector(vector, vector), generate

    return operation


smaller, larger = _ordered("<"), _ordered(">")


@intrinsic
def absolute(typingctx: Any, a: Any) -> Any:
    """|a|, of a vector or a half."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _call(builder, f"llvm.fabs.v{args[0].type.count}f64", args[0].type, list(args))

    return a(a), generate


@intrinsic
def square_root(typingctx: Any, a: Any) -> Any:
    """sqrt(a), correctly rounded."""
    return vector(vector), lambda context, builder, signature, args: _call(builder, "llvm.sqrt.v8f64", _V, list(args))


@intrinsic
def positive(typingctx: Any, condition: Any, a: Any, b: Any) -> Any:
    """positive(c, a, b): a where c > 0, else b, lane by lane."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", args[0], _constant(0.0)), args[1], args[2])

    return vector(vector, vector, vector), generate


@intrinsic
def sign_bit(typingctx: Any, x: Any) -> Any:
    """sign_bit(x): 1 for negative x, -0.0 among them, else 0, without a comparison."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.lshr(builder.bitcast(args[0], _I64), ir.Constant(_I64, 63))

    return types.int64(types.float64), generate


@intrinsic
def pick(typingctx: Any, lanes: Any, a: Any, b: Any) -> Any:
    """pick(m, a, b): the lanes of a whose bit is set in m, an unsigned byte, the others of b; without a branch."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(builder.bitcast(args[0], ir.VectorType(_I1, LANES)), args[1], args[2])

    return vector(types.uint8, vector, vector), generate


@intrinsic
def blend_first(typingctx: Any, count: Any, a: Any, b: Any) -> Any:
    """blend_first(n, a, b): the lanes below n of a, the others of b."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        ramp = ir.Constant(_VI, list(range(LANES)))
        return builder.select(builder.icmp_signed("<", ramp, _splat(builder, args[0], _VI)), args[1], args[2])

    return vector(types.intp, vector, vector), generate


@intrinsic
def transposed(typingctx: Any, rows: Any) -> Any:
    """transposed((a, b, ..)): the k-th is made of lane k of each. Eight vectors of eight; four make eight halves, eight halves four."""
    count, lanes = rows.count, rows.dtype.lanes

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def resized(value: Any, size: int) -> Any:
            mask = ir.Constant(ir.VectorType(_I32, size), [min(j, value.type.count - 1) for j in range(size)])
            return builder.shuffle_vector(value, ir.Constant(value.type, ir.Undefined), mask)

        made = [resized(value, LANES) for value in (cgutils.unpack_tuple(builder, args[0]) * 2)[:LANES]]
        for distance in (4, 2, 1):  # blocks off the diagonal change places in each block of twice that
            before = list(made)
            for k in range(LANES):
                if not k & distance:
                    for mine, other in ((k, 0), (k + distance, distance)):
                        places = [(j & ~distance | other) + (LANES if j & distance else 0) for j in range(LANES)]
                        mask = ir.Constant(ir.VectorType(_I32, LANES), places)
                        made[mine] = builder.shuffle_vector(before[k], before[k + distance], mask)
        return context.make_tuple(builder, signature.return_type, [resized(value, count) for value in made[:lanes]])

    return types.UniTuple(vector if count == LANES else half, lanes)(rows), generate


def _reduction(name: str, flags: tuple[str, ...]) -> Any:
    @intrinsic
    def operation(typingctx: Any, a: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            start = [ir.Constant(_DOUBLE, -0.0)] if "fadd" in name else []
            arguments = [*start, args[0]]
            function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(_DOUBLE, [a.type for a in arguments]), name)
            return builder.call(function, arguments, fastmath=flags)

        return types.float64(vector), generate

    return operation


smallest = _reduction("llvm.vector.reduce.fmin.v8f64", ("nnan",))
total = _reduction("llvm.vector.reduce.fadd.v8f64", ("reassoc",))


@intrinsic
def equal_lanes(typingctx: Any, a: Any, b: Any) -> Any:
    """equal_lanes(a, b): bits, bit i set where lane i of a equals that of b."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bits = builder.bitcast(builder.fcmp_ordered("==", *args), ir.IntType(LANES))
        return builder.zext(bits, _I64)

    return types.int64(vector, vector), generate


@intrinsic
def power_of_two(typingctx: Any, shifted: Any) -> Any:
    """power_of_two(n + 1.5 2^52): 2^n for integers n of -1022 to 1023, read from the low bits of the sum."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bits = builder.bitcast(args[0], _VI)
        biased = builder.add(bits, ir.Constant(_VI, [1023] * LANES))
        return builder.bitcast(builder.shl(biased, ir.Constant(_VI, [52] * LANES)), _V)

    return vector(vector), generate


@intrinsic
def exponent(typingctx: Any, a: Any) -> Any:
    """exponent(a): the integer e, as a double, with a / 2^e in [sqrt(1/2), sqrt(2)); a > 0 and not subnormal."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bits = builder.bitcast(args[0], _VI)
        moved = builder.sub(bits, ir.Constant(_VI, [_BITS_OF_SQRT_HALF] * LANES))
        return builder.sitofp(builder.ashr(moved, ir.Constant(_VI, [52] * LANES)), _V)

    return vector(vector), generate


def polynomial(coefficients: tuple[float, ...]) -> Any:
    """An intrinsic p(x) = sum c_k x^k: even and odd powers as two Horner chains in x^2, half as long to wait for as one."""

    @intrinsic
    def evaluate(typingctx: Any, x: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            def horner(terms: tuple[float, ...], z: Any) -> Any:
                value = _constant(terms[-1])
                for term in terms[-2::-1]:
                    value = _call(builder, "llvm.fma.v8f64", _V, [value, z, _constant(term)])
                return value

            x = args[0]
            square = builder.fmul(x, x)
            return _call(builder, "llvm.fma.v8f64", _V, [horner(coefficients[1::2], square), x, horner(coefficients[::2], square)])

        return vector(vector), generate

    return evaluate
