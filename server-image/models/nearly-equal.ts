// Compares outputs of a model that may differ by rounding.

import { type FixedSizeDatatype, type Tensor, typedView } from "../tensors/datatypes.ts";

/** Whether two tensors are the same but for rounding: within `tolerance` of the largest magnitude in either. */
export function nearlyEqual(one: Tensor, other: Tensor, tolerance: number): boolean {
  if (one.datatype !== other.datatype || one.shape.join() !== other.shape.join()) {
    return false;
  }
  if (one.data instanceof Uint8Array && other.data instanceof Uint8Array) {
    return nearlyEqualBytes(one.datatype as FixedSizeDatatype, one.data, other.data, tolerance);
  }
  return one.data.length === other.data.length && one.data.every((value, index) => value === other.data[index]);
}

function nearlyEqualBytes(datatype: FixedSizeDatatype, one: Uint8Array, other: Uint8Array, tolerance: number): boolean {
  if (!isFloat(datatype)) {
    return Buffer.compare(one, other) === 0;
  }
  const [left, right] = [numbers(datatype, one), numbers(datatype, other)];
  const finite = [...left, ...right].filter(Number.isFinite).map(Math.abs);
  const allowed = tolerance * finite.reduce((most, value) => Math.max(most, value), 0);
  return (
    left.length === right.length &&
    left.every((value, index) => {
      const opposite = right[index] ?? Number.NaN;
      return Object.is(value, opposite) || Math.abs(value - opposite) <= allowed;
    })
  );
}

type FloatDatatype = "FP16" | "FP32" | "FP64";

function isFloat(datatype: FixedSizeDatatype): datatype is FloatDatatype {
  return datatype.startsWith("FP");
}

function numbers(datatype: FloatDatatype, bytes: Uint8Array): number[] {
  return datatype === "FP16"
    ? Array.from(typedView(datatype, bytes), halfToNumber)
    : Array.from(typedView(datatype, bytes));
}

function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) {
    return sign * fraction * 2 ** -24;
  }
  if (exponent === 0x1f) {
    return fraction === 0 ? sign * Infinity : Number.NaN;
  }
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
