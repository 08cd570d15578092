// Kinds of command line flags: each checks its value and complains with what is allowed.

import { InvalidArgumentError, Option } from "commander";

export function text(flags: string, description: string): Option {
  return new Option(flags, description).argParser((value: string) => {
    if (value.trim() === "") {
      throw new InvalidArgumentError("It must not be empty.");
    }
    return value;
  });
}

export interface NumberRule {
  readonly standard?: number;
  readonly min: number;
  readonly max: number;
}

export function integer(flags: string, description: string, rule: NumberRule): Option {
  return numeric(new Option(flags, description), rule, /^\d+$/);
}

/** Fractions are allowed; at most a day. */
export function seconds(flags: string, description: string, standard: number): Option {
  return numeric(new Option(flags, description), { standard, min: 0, max: 86_400 }, /^\d+(\.\d+)?$/);
}

/** Fractions are allowed; at most an hour. */
export function milliseconds(flags: string, description: string, standard: number): Option {
  return numeric(new Option(flags, description), { standard, min: 0, max: 3_600_000 }, /^\d+(\.\d+)?$/);
}

function numeric(option: Option, { standard, min, max }: NumberRule, form: RegExp): Option {
  return option.default(standard).argParser((value: string) => {
    const parsed = Number(value);
    if (!form.test(value) || parsed < min || parsed > max) {
      throw new InvalidArgumentError(`Give a number from ${min} to ${max}.`);
    }
    return parsed;
  });
}
