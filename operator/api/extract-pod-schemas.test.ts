// What becomes of Kubernetes' OpenAPI in the definition, construct by construct.

import { describe, expect, test } from "vitest";
import { extractPodSchemas } from "./extract-pod-schemas.ts";
import podSchemas from "./pod-schemas.json" with { type: "json" };

const core = "io.k8s.api.core.v1";

/** The schema of a toleration with these properties, which stands for any definition. */
function extracted(properties: object, more: Record<string, object> = {}, rest: object = {}) {
  const empty = { type: "object" };
  const definitions = {
    [`${core}.Affinity`]: empty,
    [`${core}.EnvVar`]: empty,
    [`${core}.PodSecurityContext`]: empty,
    [`${core}.TopologySpreadConstraint`]: empty,
    [`${core}.Volume`]: empty,
    [`${core}.VolumeMount`]: empty,
    [`${core}.Toleration`]: { type: "object", properties, ...rest },
    ...more,
  };
  return extractPodSchemas(definitions)["tolerations"]?.["items"];
}

function field(schema: object, more: Record<string, object> = {}): unknown {
  return (extracted({ field: schema }, more) as { properties: { field: unknown } }).properties.field;
}

const quantity = "io.k8s.apimachinery.pkg.api.resource.Quantity";
const eitherType = [{ type: "integer" }, { type: "string" }];

describe("a field", () => {
  test.each<[string, object, Record<string, object>, object]>([
    ["of text is bounded", { type: "string" }, {}, { type: "string", maxLength: 1024 }],
    [
      "of a list is bounded, and so are its items",
      { type: "array", items: { type: "string" }, "x-kubernetes-list-type": "atomic" },
      {},
      {
        type: "array",
        "x-kubernetes-list-type": "atomic",
        items: { type: "string", maxLength: 1024 },
        maxItems: 64,
      },
    ],
    [
      "of a map is bounded",
      { type: "object", additionalProperties: { type: "string" } },
      {},
      { type: "object", additionalProperties: { type: "string", maxLength: 32_768 }, maxProperties: 64 },
    ],
    [
      "loses its default, which the pod gets anyway, and marks of other kinds of patches",
      { type: "integer", format: "int32", default: 0, "x-kubernetes-patch-strategy": "merge" },
      {},
      { type: "integer", format: "int32" },
    ],
    [
      "that refers to another definition holds it, under its own description",
      { description: "Mine.", allOf: [{ $ref: `#/components/schemas/${core}.Other` }] },
      { [`${core}.Other`]: { type: "object", description: "Theirs.", properties: { n: { type: "integer" } } } },
      { type: "object", description: "Mine.", properties: { n: { type: "integer" } } },
    ],
    [
      "of a quantity is a number or text",
      { $ref: `#/components/schemas/${quantity}` },
      { [quantity]: { oneOf: [{ type: "string" }, { type: "number" }] } },
      { "x-kubernetes-int-or-string": true, anyOf: eitherType, maxLength: 32 },
    ],
  ])("%s", (_sentence, schema, more, structural) => {
    expect(field(schema, more)).toEqual(structural);
  });

  test("is described by its first sentences, which end with a full stop", () => {
    const long = `First one. ${"Second one goes on and on".repeat(12)}.\n\nA paragraph of history.`;
    expect(field({ type: "boolean", description: long })).toEqual({ type: "boolean", description: "First one." });
    expect(field({ type: "boolean", description: "no stop" })).toMatchObject({ description: "no stop." });
  });

  test("that refers to nothing is an error that names it", () => {
    expect(() => field({ $ref: "#/components/schemas/Missing" })).toThrow("Missing is not in the document");
  });
});

test("required fields stay so", () => {
  expect(extracted({ key: { type: "string" } }, {}, { required: ["key"] })).toMatchObject({ required: ["key"] });
});

test("no volume reaches the node", () => {
  const kinds = Object.keys(podSchemas.schemas.volumes.items.properties);
  expect(kinds.filter((kind) => /^(hostPath|local|nfs|iscsi|fc|flexVolume)$/.test(kind))).toEqual([]);
  expect(kinds).toContain("persistentVolumeClaim");
});
