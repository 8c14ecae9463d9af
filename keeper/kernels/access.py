"""How kernels read and write memory: whole vectors and single items, no bounds, no negative indices, no other conversions."""

from __future__ import annotations

from typing import Any

import numba.extending
from llvmlite import ir
from numba import types
from numba.core import cgutils

from keeper.kernels.vectors import Vector, half, vector

__all__ = ["item", "load", "load_half", "pointer", "prefetch", "put", "settle", "store", "stream", "take"]

intrinsic: Any = numba.extending.intrinsic  # numba's own annotations describe the decorator's argument, not what it makes

_I32, _I64 = ir.IntType(32), ir.IntType(64)


def _data(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """Where the elements of an array are, or of what `pointer` made of one."""
    return value if isinstance(kind, types.CPointer) else context.make_array(kind)(context, builder, value).data


def _place(context: Any, builder: Any, signature: Any, args: Any, kind: Vector) -> Any:
    """Where a vector of that kind is read or written: args begin with an array or pointer and an index."""
    first = builder.gep(_data(context, builder, signature.args[0], args[0]), [args[1]])
    return builder.bitcast(first, ir.VectorType(ir.DoubleType(), kind.lanes).as_pointer())


@intrinsic
def pointer(typingctx: Any, array: Any) -> Any:
    """pointer(array): what load, store, item and the like take instead of the array, an eighth as long for a call to pass."""
    return types.CPointer(array.dtype)(array), lambda context, builder, signature, args: _data(context, builder, signature.args[0], args[0])


def _reading(kind: Vector) -> Any:
    """What loads a vector of that kind."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = builder.load(_place(context, builder, signature, args, kind))
        value.align = 8
        return value

    return generate


@intrinsic
def load(typingctx: Any, array: Any, index: Any) -> Any:
    """load(array, index): array[index : index + 8] of a float64 vector, any alignment (whole lines are read fastest)."""
    return vector(array, types.intp), _reading(vector)


@intrinsic
def load_half(typingctx: Any, array: Any, index: Any) -> Any:
    """load_half(array, index): array[index : index + 4] of a float64 vector; half as wide is half the work."""
    return half(array, types.intp), _reading(half)


@intrinsic
def store(typingctx: Any, array: Any, index: Any, value: Any) -> Any:
    """store(array, index, value): array[index : index + 8] = value, or as many as half of one has."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], _place(context, builder, signature, args, value), align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), generate


@intrinsic
def stream(typingctx: Any, array: Any, index: Any, value: Any) -> Any:
    """stream(array, index, value): as store, past the caches: the line is not read before it is written and pushes nothing
    out. At a multiple of the bytes of the value. Others see it for certain after `settle`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _place(context, builder, signature, args, value)
        written = builder.store(args[2], place, align=8 * value.lanes)
        written.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(_I32, 1)]))
        return context.get_dummy_value()

    return types.void(array, types.intp, value), generate


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
