// Rewrites zod's JSON Schema into the structural form that the API server demands of a custom resource definition.

import { z } from "zod";

export interface StructuralSchema {
  [keyword: string]: unknown;
  properties?: Record<string, StructuralSchema>;
  items?: StructuralSchema;
  additionalProperties?: StructuralSchema;
}

/** Why a schema cannot be a CRD's: names the path of the offending part. */
export class StructuralSchemaError extends Error {
  readonly code = "STRUCTURAL_SCHEMA";
}

/**
 * The structural OpenAPI v3 schema of what a client may send for `schema`.
 * Throws StructuralSchemaError for unions other than int-or-string: the API server refuses types inside anyOf.
 */
export function structuralSchema(schema: z.ZodType): StructuralSchema {
  const json = z.toJSONSchema(schema, {
    target: "openapi-3.0",
    io: "input",
    unrepresentable: "throw",
    reused: "inline",
  });
  return rewrite(json, "");
}

type Json = { [keyword: string]: unknown };

const droppedKeywords = new Set([
  "$schema",
  "additionalProperties",
  "anyOf",
  "properties",
  "items",
  "required",
  "propertyNames",
]);

function rewrite(node: Json, path: string): StructuralSchema {
  if (node["x-kubernetes-int-or-string"] === true) return intOrString(node);
  for (const keyword of ["anyOf", "oneOf", "allOf", "not"]) {
    if (keyword in node)
      throw new StructuralSchemaError(`${path || "."}: ${keyword} is not allowed in a structural schema`);
  }
  const result: StructuralSchema = {};
  for (const [keyword, value] of Object.entries(node)) {
    if (!droppedKeywords.has(keyword)) result[keyword] = value;
  }
  if (node["type"] === "integer") fixInteger(result);
  rewriteChildren(node, result, path);
  return result;
}

function rewriteChildren(node: Json, result: StructuralSchema, path: string): void {
  const { properties, items, additionalProperties, required } = node;
  if (isJson(properties)) {
    result.properties = {};
    for (const [name, child] of Object.entries(properties)) {
      if (isJson(child)) result.properties[name] = rewrite(child, `${path}.${name}`);
    }
    if (Array.isArray(required) && required.length > 0) result["required"] = required;
  } else if (isJson(additionalProperties)) {
    result.additionalProperties = rewrite(additionalProperties, `${path}.*`);
  }
  if (isJson(items)) result.items = rewrite(items, `${path}[]`);
}

/** Both forms of the value are described by the extension alone; a `type` beside it is refused. */
function intOrString(node: Json): StructuralSchema {
  const { anyOf: _, oneOf: __, type: ___, ...kept } = node;
  // The extension needs this exact anyOf in a structural schema when it is written out.
  return { ...kept, anyOf: [{ type: "integer" }, { type: "string" }] };
}

/** zod bounds every integer by what a double can hold; int64 says the same without noise. */
function fixInteger(schema: StructuralSchema): void {
  if (schema["minimum"] === Number.MIN_SAFE_INTEGER) delete schema["minimum"];
  if (schema["maximum"] === Number.MAX_SAFE_INTEGER) delete schema["maximum"];
  const maximum = schema["maximum"];
  schema["format"] = typeof maximum === "number" && maximum < 2 ** 31 ? "int32" : "int64";
}

function isJson(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
