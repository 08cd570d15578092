// Writes FP32 numbers as short decimal text: over twice as fast and half as long as printing them as doubles.

/** No number takes more bytes: sign, "0.", four zeros, nine digits. */
export const MAX_FLOAT_TEXT_BYTES = 16;

const MANTISSA_BITS = 23;
const MAGNITUDE_MASK = 0x7fffffff;
/** Bit patterns without sign. */
const SMALLEST_NORMAL = 0x00800000;
const INFINITY = 0x7f800000;
const MANTISSA_MASK = 2 ** MANTISSA_BITS - 1;
/** 255, the largest, stands for infinities and NaN. */
const BINARY_EXPONENTS = 255;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const EXPONENT = 0x65;

/** Nine digits identify every FP32 number, and nine digits fit in V8's small integers. */
const MAX_DIGITS = 9;
const TEN_DIGITS = 10 ** MAX_DIGITS;

// Elements of these tables are read with `as number`: a check for undefined would make V8 box each value.
const POWERS_OF_TEN = Float64Array.from({ length: 93 }, (_, index) => Number(`1e${index - 46}`));

function powerOfTen(exponent: number): number {
  return POWERS_OF_TEN[exponent + 46] as number;
}

/**
 * How far from a number its text may be, by biased binary exponent: just under half the distance to the neighbouring
 * FP32 number, so that reading and rounding errors of doubles cannot carry it over the middle.
 */
const TOLERANCES = Float64Array.from(
  { length: BINARY_EXPONENTS },
  (_, biased) => 0.49 * 2 ** (biased - 127 - MANTISSA_BITS),
);

/** Lower bound of the decimal exponent, at most one too small, by biased binary exponent. */
const DECIMAL_EXPONENTS = Int32Array.from({ length: BINARY_EXPONENTS }, (_, biased) =>
  Math.floor((biased - 127) * Math.LOG10E * Math.LN2),
);

/** The digits of 00 to 99. */
const DIGIT_PAIRS = Uint8Array.from(
  { length: 200 },
  (_, index) => ZERO + (index % 2 === 0 ? Math.floor(index / 20) : (index >> 1) % 10),
);

/** Writes elements of an array and separators one after the other into memory that must be large enough. */
export class FloatTextWriter {
  /** Where the next byte goes. */
  at = 0;
  readonly #values: Float32Array;
  // Signed, so that V8 keeps every pattern in a small integer.
  readonly #bits: Int32Array;
  readonly #out: Uint8Array;

  constructor(values: Float32Array, out: Uint8Array) {
    this.#values = values;
    this.#bits = new Int32Array(values.buffer, values.byteOffset, values.length);
    this.#out = out;
  }

  writeByte(byte: number): void {
    this.#out[this.at] = byte;
    this.at += 1;
  }

  writeAscii(text: string): void {
    for (let index = 0; index < text.length; index += 1) {
      this.writeByte(text.charCodeAt(index));
    }
  }

  /**
   * Writes one element as ASCII. A finite number's text reads back as the same FP32 number, also when it is read as a
   * double first; the others are written NaN, Infinity and -Infinity.
   */
  writeElement(index: number): void {
    const value = this.#values[index] as number;
    const bits = this.#bits[index] as number;
    if ((bits & MAGNITUDE_MASK) >= INFINITY) {
      this.writeAscii(String(value));
      return;
    }
    if (bits < 0) {
      this.writeByte(MINUS);
    }
    const magnitude = Math.abs(value);
    if (magnitude < TEN_DIGITS && Math.floor(magnitude) === magnitude) {
      this.#writeInteger(magnitude | 0);
    } else if ((bits & MAGNITUDE_MASK) < SMALLEST_NORMAL) {
      this.writeAscii(magnitude.toPrecision(MAX_DIGITS));
    } else {
      this.#writeNormal(index);
    }
  }

  /** Seven digits where they are close enough, else eight, else nine. */
  // Takes the index because V8 would box a fraction to pass it to a method.
  #writeNormal(index: number): void {
    const magnitude = Math.abs(this.#values[index] as number);
    const bits = (this.#bits[index] as number) & MAGNITUDE_MASK;
    const biased = bits >>> MANTISSA_BITS;
    let exponent = DECIMAL_EXPONENTS[biased] as number;
    if (magnitude >= powerOfTen(exponent + 1)) {
      exponent += 1;
    }
    const scale = powerOfTen(MAX_DIGITS - 1 - exponent);
    const scaled = magnitude * scale;
    // Below a power of two the neighbour is half as far.
    const tolerance = (TOLERANCES[biased] as number) * scale * ((bits & MANTISSA_MASK) === 0 ? 0.5 : 1);
    let count = 7;
    let digits = Math.floor(scaled / 100 + 0.5);
    if (Math.abs(digits * 100 - scaled) > tolerance) {
      count = 8;
      digits = Math.floor(scaled / 10 + 0.5);
      if (Math.abs(digits * 10 - scaled) > tolerance) {
        count = 9;
        digits = Math.floor(scaled + 0.5);
      }
    }
    this.#writeDecimal(digits | 0, count, exponent);
  }

  /** `digits` with the point after the first of `count`, times 10^exponent: written as people do where that is short. */
  #writeDecimal(allDigits: number, allCount: number, exponent: number): void {
    let digits = allDigits;
    let count = allCount;
    for (let rest = (digits / 10) | 0; rest * 10 === digits; rest = (digits / 10) | 0) {
      digits = rest;
      count -= 1;
    }
    if (count < 1) {
      // Rounded up to the next power of ten: one digit more than counted.
      this.#writeDecimal(1, 1, exponent + 1);
    } else if (exponent < 0 && exponent >= -5) {
      this.writeByte(ZERO);
      this.writeByte(POINT);
      for (let zeros = -1 - exponent; zeros > 0; zeros -= 1) {
        this.writeByte(ZERO);
      }
      this.#writeDigits(digits, count);
    } else if (exponent >= 0 && exponent < count - 1) {
      this.#writeWithPoint(digits, count, exponent + 1);
    } else {
      this.#writeWithPoint(digits, count, 1);
      this.writeByte(EXPONENT);
      this.#writeInteger(exponent);
    }
  }

  /** The point comes after `before` digits, or not at all where no digit follows. */
  #writeWithPoint(digits: number, count: number, before: number): void {
    if (before === count) {
      this.#writeDigits(digits, count);
      return;
    }
    // One place too far right, then the digits before the point move left over the gap.
    const start = this.at;
    this.at += 1;
    this.#writeDigits(digits, count);
    for (let index = start; index < start + before; index += 1) {
      this.#out[index] = this.#out[index + 1] as number;
    }
    this.#out[start + before] = POINT;
  }

  #writeInteger(value: number): void {
    if (value < 0) {
      this.writeByte(MINUS);
      this.#writeInteger(-value);
      return;
    }
    let count = 1;
    for (let limit = 10; value >= limit; limit *= 10) {
      count += 1;
    }
    this.#writeDigits(value, count);
  }

  #writeDigits(digits: number, count: number): void {
    const start = this.at;
    let index = start + count;
    let rest = digits;
    for (; index - 2 >= start; index -= 2) {
      const next = (rest / 100) | 0;
      const pair = (rest - next * 100) * 2;
      this.#out[index - 2] = DIGIT_PAIRS[pair] as number;
      this.#out[index - 1] = DIGIT_PAIRS[pair + 1] as number;
      rest = next;
    }
    if (index > start) {
      this.#out[start] = ZERO + rest;
    }
    this.at = start + count;
  }
}
