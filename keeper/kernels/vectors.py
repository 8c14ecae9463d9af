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
    "item",
    "lane",
    "larger",
    "load",
    "pick",
    "pointer",
    "polynomial",
    "positive",
    "power_of_two",
    "prefetch",
    "put",
    "settle",
    "smaller",
    "smallest",
    "splat",
    "square_root",
    "store",
    "stream",
    "take",
    "total",
    "transposed",
]

intrinsic: Any = numba.extending.intrinsic  # numba's own annotations describe the decorator's argument, not what it makes

LANES = 8
_DOUBLE = ir.DoubleType()
_I1, _I32, _I64 = ir.IntType(1), ir.IntType(32), ir.IntType(64)
_V = ir.VectorType(_DOUBLE, LANES)
_VI = ir.VectorType(_I64, LANES)
_BITS_OF_SQRT_HALF = int.from_bytes(struct.pack(">d", math.sqrt(0.5)), "big")


class Vector(types.Type):
    """numba type of <8 x double>."""

    def __init__(self) -> None:
        super().__init__(name="Vector8d")


vector = Vector()


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, _V)


def _splat(builder: Any, value: Any, kind: ir.VectorType = _V) -> Any:
    single = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(_I32, 0))
    return builder.shuffle_vector(single, ir.Constant(kind, ir.Undefined), ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES))


def _constant(value: float) -> Any:
    return ir.Constant(_V, [value] * LANES)


def _call(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, [a.type for a in arguments]), name)
    return builder.call(function, arguments)


def _data(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """Where the elements of an array are, or of what `pointer` made of one."""
    return value if isinstance(kind, types.CPointer) else context.make_array(kind)(context, builder, value).data


def _address(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    return builder.bitcast(builder.gep(_data(context, builder, kind, array), [index]), _V.as_pointer())


@intrinsic
def pointer(typingctx: Any, array: Any) -> Any:
    """pointer(array): what load, store, item and the like take instead of the array, an eighth as long for a call to pass."""
    return types.CPointer(array.dtype)(array), lambda context, builder, signature, args: _data(context, builder, signature.args[0], args[0])


@intrinsic
def load(typingctx: Any, array: Any, index: Any) -> Any:
    """load(array, index): array[index : index + 8] of a float64 vector, any alignment (whole lines are read fastest)."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = builder.load(_address(context, builder, signature.args[0], *args))
        value.align = 8
        return value

    return vector(array, types.intp), generate


@intrinsic
def store(typingctx: Any, array: Any, index: Any, value: Any) -> Any:
    """store(array, index, value): array[index : index + 8] = value."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], _address(context, builder, signature.args[0], *args[:2]), align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), generate


@intrinsic
def stream(typingctx: Any, array: Any, index: Any, value: Any) -> Any:
    """stream(array, index, value): as store, on a 64-byte line, past the caches: the line is not read before it is written
    and pushes nothing out. Others see it for certain after `settle`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        written = builder.store(args[2], _address(context, builder, signature.args[0], *args[:2]), align=64)
        written.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(_I32, 1)]))
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), generate


@intrinsic
def settle(typingctx: Any) -> Any:
    """settle(): what this thread streamed is visible before whatever it writes from here on."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def item(typingctx: Any, array: Any, index: Any) -> Any:
    """item(array, index): array[index] of a vector, index >= 0: numba's own would look for negative indices every time."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = _data(context, builder, signature.args[0], args[0])
        return builder.load(builder.gep(data, [args[1]]))

    return array.dtype(array, types.intp), generate


@intrinsic
def take(typingctx: Any, counter: Any) -> Any:
    """take(counter): the value of counter[0], which is one more for whoever asks next, in whatever thread."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = _data(context, builder, signature.args[0], args[0])
        return builder.atomic_rmw("add", data, ir.Constant(_I64, 1), "monotonic")

    return types.int64(counter), generate


@intrinsic
def put(typingctx: Any, array: Any, index: Any, value: Any) -> Any:
    """put(array, index, value): array[index] = value of a float64 vector, index >= 0."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = _data(context, builder, signature.args[0], args[0])
        builder.store(args[2], builder.gep(data, [args[1]]))
        return context.get_dummy_value()

    return types.void(array, types.intp, types.float64), generate


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
    """fma(a, b, c): a b + c, rounded once."""
    return vector(vector, vector, vector), lambda context, builder, signature, args: _call(builder, "llvm.fma.v8f64", _V, list(args))


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
    """|a|"""
    return vector(vector), lambda context, builder, signature, args: _call(builder, "llvm.fabs.v8f64", _V, list(args))


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
def pick(typingctx: Any, lanes: Any, a: Any, b: Any) -> Any:
    """pick(m, a, b): the lanes of a whose bit is set in m, an unsigned byte, the others of b; without a branch."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(builder.bitcast(args[0], ir.VectorType(_I1, LANES)), args[1], args[2])

    return vector(types.uint8, vector, vector), generate


@intrinsic
def prefetch(typingctx: Any, array: Any, index: Any) -> Any:
    """prefetch(array, index): have the line of array[index] brought to the nearest cache; any index is harmless."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = _data(context, builder, signature.args[0], args[0])
        address = builder.bitcast(builder.gep(data, [args[1]]), ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [address.type, _I32, _I32, _I32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [address, *(ir.Constant(_I32, k) for k in (0, 3, 1))])
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


@intrinsic
def blend_first(typingctx: Any, count: Any, a: Any, b: Any) -> Any:
    """blend_first(n, a, b): the lanes below n of a, the others of b."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        ramp = ir.Constant(_VI, list(range(LANES)))
        return builder.select(builder.icmp_signed("<", ramp, _splat(builder, args[0], _VI)), args[1], args[2])

    return vector(types.intp, vector, vector), generate


@intrinsic
def transposed(typingctx: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any) -> Any:
    """transposed(a, .., h): eight vectors, the k-th of lane k of each."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows = list(args)
        for distance in (4, 2, 1):  # blocks off the diagonal change places in each block of twice that
            made = list(rows)
            for k in range(LANES):
                if not k & distance:
                    for mine, other in ((k, 0), (k + distance, distance)):
                        lanes = [(j & ~distance | other) + (LANES if j & distance else 0) for j in range(LANES)]
                        mask = ir.Constant(ir.VectorType(_I32, LANES), lanes)
                        made[mine] = builder.shuffle_vector(rows[k], rows[k + distance], mask)
            rows = made
        return context.make_tuple(builder, signature.return_type, rows)

    return types.UniTuple(vector, LANES)(*[vector] * LANES), generate


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
