// The rules that the API server has for schemas, checked on every node of ours: a NonStructuralSchema condition would
// come only after the definition was applied.

import { describe, expect, test } from "vitest";
import { customResourceDefinition } from "./custom-resource-definition.ts";

interface Node {
  readonly path: string;
  readonly schema: Record<string, unknown>;
  /** Named field of an object, as opposed to the items of an array or the values of a record. */
  readonly isField: boolean;
}

const nodes = [...walk({ path: "", schema: rootSchema(), isField: false })];

function rootSchema(): Record<string, unknown> {
  const { spec } = customResourceDefinition() as {
    spec: { versions: { schema: { openAPIV3Schema: Record<string, unknown> } }[] };
  };
  return spec.versions[0]!.schema.openAPIV3Schema;
}

function* walk(node: Node): Generator<Node> {
  yield node;
  const { properties = {}, items, additionalProperties } = node.schema;
  for (const [name, schema] of Object.entries(properties as Record<string, Record<string, unknown>>)) {
    yield* walk({ path: `${node.path}.${name}`, schema, isField: true });
  }
  for (const [schema, suffix] of [
    [items, "[]"],
    [additionalProperties, ".*"],
  ] as const) {
    if (isSchema(schema)) yield* walk({ path: node.path + suffix, schema, isField: false });
  }
}

function isSchema(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Paths of the nodes for which the rule does not hold. */
function offenders(holds: (node: Node) => boolean): string[] {
  return nodes.filter((node) => !holds(node)).map(({ path }) => path);
}

test("the walk reaches the deepest fields", () => {
  const paths = nodes.map(({ path }) => path);
  expect(paths).toContain(".spec.predictor.autoScaling.behavior.scaleDown.policies[].periodSeconds");
  expect(paths).toContain(".spec.predictor.model.resources.limits.*");
  expect(paths).toContain(".spec.predictor.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[]");
  expect(paths).toContain(".status.autoScaling.lastChanges[].reason");
});

describe("every schema is structural", () => {
  const isIntOrString = ({ schema }: Node) => schema["x-kubernetes-int-or-string"] === true;

  test("every node has a type, and int-or-string has none", () => {
    expect(offenders((node) => isIntOrString(node) !== (typeof node.schema["type"] === "string"))).toEqual([]);
  });

  test("no alternatives but those of int-or-string", () => {
    expect(
      offenders((node) => {
        const { anyOf, oneOf, allOf, not } = node.schema;
        if (oneOf !== undefined || allOf !== undefined || not !== undefined) return false;
        const allowed = isIntOrString(node) ? [{ type: "integer" }, { type: "string" }] : undefined;
        return JSON.stringify(anyOf) === JSON.stringify(allowed);
      }),
    ).toEqual([]);
  });

  test("additionalProperties is a schema, and never beside properties", () => {
    expect(
      offenders(({ schema: { additionalProperties, properties } }) =>
        additionalProperties === undefined ? true : isSchema(additionalProperties) && properties === undefined,
      ),
    ).toEqual([]);
  });

  test("no keyword that a structural schema does not know", () => {
    const known = new Set(
      "type description properties required items additionalProperties enum default example format pattern anyOf minLength maxLength minItems maxItems maxProperties minimum maximum exclusiveMinimum nullable".split(
        " ",
      ),
    );
    expect(
      offenders(({ schema }) =>
        Object.keys(schema).every((keyword) => known.has(keyword) || keyword.startsWith("x-kubernetes-")),
      ),
    ).toEqual([]);
  });

  test("no pattern that Go's regular expressions do not know", () => {
    expect(offenders(({ schema }) => !String(schema["pattern"]).includes("(?"))).toEqual([]);
    expect(JSON.stringify(rootSchema())).not.toMatch(/matches\('[^']*\(\?/);
  });

  test("the keys of a list merged by key are required fields of its items", () => {
    expect(
      offenders(({ schema }) => {
        const keys = (schema["x-kubernetes-list-map-keys"] ?? []) as string[];
        if ((schema["x-kubernetes-list-type"] === "map") !== keys.length > 0) return false;
        const items = (schema["items"] ?? {}) as { required?: string[] };
        return keys.every((key) => items.required?.includes(key));
      }),
    ).toEqual([]);
  });
});

describe("every field is made for people", () => {
  // The API server allows no more than the types of name and generateName here.
  const isMetadata = ({ path }: Node) => path.startsWith(".metadata");

  test("every field has a description of at least a few words", () => {
    const short = new Set([".kind", ".apiVersion"]);
    expect(
      offenders((node) => {
        if (!node.isField || isMetadata(node) || short.has(node.path)) return true;
        return typeof node.schema["description"] === "string" && /^\S.{5,}\.$/.test(node.schema["description"]);
      }),
    ).toEqual([]);
  });

  test("a default is named in the description of its field", () => {
    expect(
      offenders(({ schema }) => {
        const { default: value, description = "" } = schema as { default?: unknown; description?: string };
        if (typeof value !== "string" && typeof value !== "number") return true;
        return description.includes(`Default ${value}`) || description.includes(`${value} (default)`);
      }),
    ).toEqual([]);
  });

  test("a number says its unit", () => {
    const unit = /\b(number of|seconds|milliseconds|bytes|rows|pods|replicas|requests|percent|in the unit of)\b/i;
    // Those of Kubernetes say it in Kubernetes' words.
    const passedOn =
      /^[.]spec[.]predictor[.](affinity|securityContext|tolerations|topologySpread|volumes|model[.](env|volumeMounts))/;
    expect(
      offenders(({ path, schema }) => {
        const isNumber = schema["type"] === "integer" || schema["type"] === "number";
        if (!isNumber || !path.startsWith(".spec") || passedOn.test(path)) return true;
        return unit.test(String(schema["description"]));
      }),
    ).toEqual([]);
  });

  test("a field that may be left out says what that means, or has a default", () => {
    const own = /^[.]spec[.]predictor([.](model|accelerator|autoScaling|deploymentStrategy))?([.]\w+)?$/;
    const required = new Set([".spec.predictor", ".spec.predictor.model", ".spec.predictor.model.storageUri"]);
    expect(
      offenders(({ path, schema }) => {
        if (!own.test(path) || required.has(path) || path.endsWith("modelFormat")) return true;
        const { default: value, description = "" } = schema as { default?: unknown; description?: string };
        return value !== undefined || /default|absent|further|beside|short form|\be[.]g[.]/i.test(description);
      }),
    ).toEqual([]);
  });

  test("every rule in CEL has a message for people", () => {
    const rules = nodes.flatMap(
      ({ path, schema }) =>
        (schema["x-kubernetes-validations"] as { rule: string; message?: string }[] | undefined)?.map((rule) => ({
          path,
          ...rule,
        })) ?? [],
    );
    expect(rules.length).toBeGreaterThan(5);
    expect(rules.filter(({ message }) => message === undefined || !/\b(must|only)\b/.test(message))).toEqual([]);
  });
});

describe("strings, lists and records of the spec are bounded, since CEL rules cost by their greatest size", () => {
  test.each([
    ["lists", (schema: Record<string, unknown>) => schema["type"] !== "array" || schema["maxItems"] !== undefined],
    [
      "records",
      (schema: Record<string, unknown>) =>
        !isSchema(schema["additionalProperties"]) || schema["maxProperties"] !== undefined,
    ],
    [
      "strings",
      (schema: Record<string, unknown>) =>
        schema["type"] !== "string" || schema["maxLength"] !== undefined || schema["enum"] !== undefined,
    ],
  ])("%s", (_kind, isBounded) => {
    expect(offenders(({ path, schema }) => !path.startsWith(".spec") || isBounded(schema))).toEqual([]);
  });
});
