// What becomes of each zod construct in the custom resource definition, and which are refused.

import { describe, expect, test } from "vitest";
import { z } from "zod";
import { StructuralSchemaError, structuralSchema } from "./structural-schema.ts";

const intOrString = z.union([z.int(), z.string()]).meta({ "x-kubernetes-int-or-string": true, maxLength: 32 });

describe("what the API server takes is kept", () => {
  test.each([
    ["a string keeps its bounds", z.string().min(1).max(9), { type: "string", minLength: 1, maxLength: 9 }],
    ["a pattern is kept", z.string().regex(/^[a-z]+$/), { type: "string", pattern: "^[a-z]+$" }],
    ["an enumeration keeps its words", z.enum(["a", "b"]), { type: "string", enum: ["a", "b"] }],
    ["a description is kept", z.boolean().describe("Yes."), { type: "boolean", description: "Yes." }],
    ["an extension is kept", z.string().meta({ "x-kubernetes-y": 1 }), { type: "string", "x-kubernetes-y": 1 }],
    ["an integer without bounds is an int64", z.int(), { type: "integer", format: "int64" }],
    [
      "an integer that fits is an int32",
      z.int().min(0).max(10),
      { type: "integer", minimum: 0, maximum: 10, format: "int32" },
    ],
    [
      "a bound beyond int32 makes it an int64",
      z.int().max(2 ** 31),
      { type: "integer", maximum: 2 ** 31, format: "int64" },
    ],
    [
      "an integer with a lower bound alone is an int64",
      z.int().min(1),
      { type: "integer", minimum: 1, format: "int64" },
    ],
    [
      "int-or-string has no type of its own, only the one anyOf that is allowed",
      intOrString,
      { "x-kubernetes-int-or-string": true, maxLength: 32, anyOf: [{ type: "integer" }, { type: "string" }] },
    ],
    [
      "an array describes its items",
      z.array(z.string()).min(1).max(2),
      { type: "array", minItems: 1, maxItems: 2, items: { type: "string" } },
    ],
    [
      "a record describes its values",
      z.record(z.string(), z.string()),
      { type: "object", additionalProperties: { type: "string" } },
    ],
    [
      "a default is kept, and the field is not required",
      z.object({ a: z.string(), b: z.int().max(9).default(3) }),
      {
        type: "object",
        required: ["a"],
        properties: { a: { type: "string" }, b: { type: "integer", maximum: 9, format: "int32", default: 3 } },
      },
    ],
    [
      "an object whose parts have defaults is by default an empty one, which the API server then fills in",
      z.object({ a: z.object({ b: z.boolean().default(true) }).prefault({}) }),
      {
        type: "object",
        properties: { a: { type: "object", default: {}, properties: { b: { type: "boolean", default: true } } } },
      },
    ],
    [
      "a field that may be absent is not required",
      z.object({ a: z.string().optional() }),
      { type: "object", properties: { a: { type: "string" } } },
    ],
    [
      "a strict object says nothing of other fields: the API server drops them",
      z.strictObject({ a: z.string() }),
      { type: "object", required: ["a"], properties: { a: { type: "string" } } },
    ],
    [
      "a check that only the program can make leaves no trace",
      z.string().refine((text) => text !== "x"),
      { type: "string" },
    ],
  ])("%s", (_sentence, schema, structural) => {
    expect(structuralSchema(schema)).toEqual(structural);
  });
});

describe("what the API server would refuse is an error that names the path", () => {
  test.each([
    ["a union", z.object({ a: z.object({ b: z.union([z.string(), z.boolean()]) }) }), ".a.b: anyOf"],
    ["a union in an array", z.object({ list: z.array(z.union([z.string(), z.boolean()])) }), ".list[]: anyOf"],
    ["a union in a record", z.record(z.string(), z.union([z.string(), z.boolean()])), ".*: anyOf"],
    ["a union at the top", z.union([z.string(), z.boolean()]), ".: anyOf"],
    ["a string with two patterns", z.object({ a: z.string().regex(/a/).regex(/b/) }), ".a: allOf"],
    ["a field that nothing may be in", z.object({ a: z.never().optional() }), ".a: not"],
    ["a tuple", z.object({ a: z.tuple([z.string()]) }), ".a[]: anyOf"],
    [
      "a discriminated union",
      z.object({ a: z.discriminatedUnion("t", [z.object({ t: z.literal("x") })]) }),
      ".a: oneOf",
    ],
  ])("%s", (_sentence, schema, message) => {
    expect(() => structuralSchema(schema)).toThrow(StructuralSchemaError);
    expect(() => structuralSchema(schema)).toThrow(message);
  });

  test("a type that JSON does not have is an error too", () => {
    expect(() => structuralSchema(z.object({ at: z.date() }))).toThrow(/date/i);
  });
});
