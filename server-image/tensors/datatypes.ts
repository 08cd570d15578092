// The tensor datatypes of the Open Inference Protocol, how each lies in memory and what onnxruntime calls it.

/** In the protocol's order. BF16 is missing because onnxruntime-node loads no model that uses it. */
export const DATATYPES = [
  "BOOL",
  "UINT8",
  "UINT16",
  "UINT32",
  "UINT64",
  "INT8",
  "INT16",
  "INT32",
  "INT64",
  "FP16",
  "FP32",
  "FP64",
  "BYTES",
] as const;
export type Datatype = (typeof DATATYPES)[number];

/** Elements as numbers. BOOL: one byte each, 0 or 1. FP16: the bits as 16-bit integers. */
export type TypedData =
  | Uint8Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | BigUint64Array<ArrayBuffer>
  | Int8Array<ArrayBuffer>
  | Int16Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | BigInt64Array<ArrayBuffer>
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>;

/**
 * Elements in row-major order. Bytes lie as the protocol's binary form and onnxruntime have them (little-endian, no
 * padding), at any alignment, so that a request's body is read where it lies; `typedView` gives numbers. BYTES: texts.
 */
export type TensorData = Uint8Array | readonly string[];

/** A named value. `shape` has no negative dimension and its product is the number of elements in `data`. */
export interface Tensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** What a model says of an input or output; -1 is a dimension that may vary. */
export interface TensorSpec {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
}

const ARRAYS = {
  BOOL: Uint8Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  UINT64: BigUint64Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  FP16: Uint16Array,
  FP32: Float32Array,
  FP64: Float64Array,
} as const;

/** Datatypes whose elements all have the same size. */
export type FixedSizeDatatype = keyof typeof ARRAYS;

/** Bytes of one element. */
export function elementBytes(datatype: FixedSizeDatatype): number {
  return ARRAYS[datatype].BYTES_PER_ELEMENT;
}

/** Zeros in memory of their own. */
export function zeros<T extends FixedSizeDatatype>(datatype: T, length: number): InstanceType<(typeof ARRAYS)[T]>;
export function zeros(datatype: FixedSizeDatatype, length: number): TypedData {
  return new ARRAYS[datatype](length);
}

/** The bytes of typed data, in the same memory. */
export function bytesOf(data: TypedData): Uint8Array<ArrayBuffer> {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Bytes as numbers: in the same memory where the alignment allows it, else copied. */
export function typedView<T extends FixedSizeDatatype>(
  datatype: T,
  bytes: Uint8Array,
): InstanceType<(typeof ARRAYS)[T]>;
export function typedView(datatype: FixedSizeDatatype, bytes: Uint8Array): TypedData {
  const size = elementBytes(datatype);
  const { buffer, byteOffset } = bytes.byteOffset % size === 0 ? bytes : Uint8Array.from(bytes);
  return new ARRAYS[datatype](buffer as ArrayBuffer, byteOffset, bytes.byteLength / size);
}

const RUNTIME_TYPES = {
  BOOL: "bool",
  UINT8: "uint8",
  UINT16: "uint16",
  UINT32: "uint32",
  UINT64: "uint64",
  INT8: "int8",
  INT16: "int16",
  INT32: "int32",
  INT64: "int64",
  FP16: "float16",
  FP32: "float32",
  FP64: "float64",
  BYTES: "string",
} as const satisfies Record<Datatype, string>;

/** What onnxruntime calls a datatype. */
export type RuntimeType = (typeof RUNTIME_TYPES)[Datatype];

export function toRuntimeType(datatype: Datatype): RuntimeType {
  return RUNTIME_TYPES[datatype];
}

/** Undefined for onnxruntime's types that the protocol has no name for, such as `int4`. */
export function fromRuntimeType(type: string): Datatype | undefined {
  return DATATYPES.find((datatype) => RUNTIME_TYPES[datatype] === type);
}
