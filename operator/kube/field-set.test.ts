// The field sets that an apply implies, compared with what a Kubernetes 1.36 API server wrote, and the algebra of sets.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { covers } from "./covers.ts";
import { difference, type FieldTree, fieldSetDigest, fieldSetOf, union } from "./field-set.ts";
import { deployments, services } from "./resource-types.ts";
import type { KubeObject, Structure } from "./types.ts";

const conditions: Structure = { fields: { status: { fields: { conditions: { keys: ["type"] } } } } };
const finalizers: Structure = { fields: { metadata: { fields: { finalizers: "set" } } } };

describe("fields of an object", () => {
  test.each<{ what: string; object: object; structure?: Structure; fields: FieldTree }>([
    {
      what: "what says which object is meant is owned by nobody",
      object: {
        apiVersion: "v1",
        kind: "A",
        metadata: { name: "a", namespace: "b", uid: "c", resourceVersion: "1", generation: 2 },
      },
      fields: {},
    },
    {
      what: "a map is merged by key, a list is one value",
      object: { metadata: { labels: { a: "1" } }, spec: { list: [{ b: 1 }], flag: false, none: null } },
      fields: { "f:metadata": { "f:labels": { "f:a": {} } }, "f:spec": { "f:list": {}, "f:flag": {}, "f:none": {} } },
    },
    {
      what: "an empty object is owned itself, an undefined field not at all",
      object: { spec: { emptyDir: {}, absent: undefined } },
      fields: { "f:spec": { "f:emptyDir": {} } },
    },
    {
      what: "items of a keyed list are owned one by one",
      object: { status: { conditions: [{ type: "Ready", status: "True" }] } },
      structure: conditions,
      fields: { "f:status": { "f:conditions": { 'k:{"type":"Ready"}': { ".": {}, "f:type": {}, "f:status": {} } } } },
    },
    {
      what: "an empty keyed list owns nothing, but its neighbour does",
      object: { status: { conditions: [], url: "" } },
      structure: conditions,
      fields: { "f:status": { "f:url": {} } },
    },
    {
      what: "an object of which nothing is left owns nothing",
      object: { status: { conditions: [] } },
      structure: conditions,
      fields: {},
    },
    {
      what: "items of a set are owned by value",
      object: { metadata: { finalizers: ["a/b"] } },
      structure: finalizers,
      fields: { "f:metadata": { "f:finalizers": { 'v:"a/b"': {} } } },
    },
    {
      what: "a key that may be left out is filled in, its field is not",
      object: { spec: { ports: [{ port: 80 }], selector: { a: "b" } } },
      structure: services.structure!,
      fields: {
        "f:spec": { "f:ports": { 'k:{"port":80,"protocol":"TCP"}': { ".": {}, "f:port": {} } }, "f:selector": {} },
      },
    },
    {
      what: "names of Object's own methods are names like any other",
      object: { spec: JSON.parse('{"constructor":{"a":1},"__proto__":{"b":2}}') as object },
      structure: { fields: { spec: { fields: {} } } },
      fields: { "f:spec": { "f:constructor": { "f:a": {} }, "f:__proto__": { "f:b": {} } } },
    },
  ])("$what", ({ object, structure, fields }) => {
    expect(fieldSetOf(object as KubeObject, structure)).toEqual(fields);
  });

  test("a Deployment's are those that the API server wrote", () => {
    const object: KubeObject & { spec: object } = {
      metadata: { name: "x", labels: { app: "x" } },
      spec: {
        selector: { matchLabels: { app: "x" } },
        strategy: { rollingUpdate: { maxSurge: "25%" } },
        template: {
          metadata: { labels: { app: "x" } },
          spec: {
            nodeSelector: { a: "b" },
            tolerations: [{ key: "k", operator: "Exists" }],
            containers: [
              {
                name: "server",
                args: ["--a"],
                env: [
                  { name: "A", value: "1" },
                  { name: "B", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
                ],
                ports: [{ name: "http", containerPort: 8080 }],
                resources: { requests: { cpu: "1" } },
                volumeMounts: [{ name: "v", mountPath: "/tmp" }],
              },
            ],
            volumes: [{ name: "v", emptyDir: {} }],
          },
        },
      },
    };
    const written =
      '{"f:metadata":{"f:labels":{"f:app":{}}},"f:spec":{"f:selector":{},"f:strategy":{"f:rollingUpdate":{"f:maxSurge":{}}},"f:template":{"f:metadata":{"f:labels":{"f:app":{}}},"f:spec":{"f:containers":{"k:{\\"name\\":\\"server\\"}":{".":{},"f:args":{},"f:env":{"k:{\\"name\\":\\"A\\"}":{".":{},"f:name":{},"f:value":{}},"k:{\\"name\\":\\"B\\"}":{".":{},"f:name":{},"f:valueFrom":{"f:fieldRef":{}}}},"f:name":{},"f:ports":{"k:{\\"containerPort\\":8080,\\"protocol\\":\\"TCP\\"}":{".":{},"f:containerPort":{},"f:name":{}}},"f:resources":{"f:requests":{"f:cpu":{}}},"f:volumeMounts":{"k:{\\"mountPath\\":\\"/tmp\\"}":{".":{},"f:mountPath":{},"f:name":{}}}}},"f:nodeSelector":{},"f:tolerations":{},"f:volumes":{"k:{\\"name\\":\\"v\\"}":{".":{},"f:emptyDir":{},"f:name":{}}}}}}}';
    const theirs = JSON.parse(written) as FieldTree;
    expect(fieldSetOf(object, deployments.structure)).toEqual(theirs);
    expect(fieldSetDigest(fieldSetOf(object, deployments.structure))).toBe(fieldSetDigest(theirs));
  });

  test("the API server's order of keys and escaping make no difference, another field does", () => {
    const ours = { "f:a": { 'k:{"a":1,"name":"x<y"}': { ".": {} } }, "f:b": {} };
    const theirs = { "f:b": {}, "f:a": { 'k:{"name":"x\\u003cy","a":1}': { ".": {} } } };
    expect(fieldSetDigest(ours)).toBe(fieldSetDigest(theirs));
    expect(fieldSetDigest({ ...ours, "f:c": {} })).not.toBe(fieldSetDigest(ours));
  });
});

/** Trees in the form that the API server writes: an owned node with children has a `.`, an owned leaf is empty. */
const tree: fc.Arbitrary<FieldTree> = fc.letrec<{ node: FieldTree; inner: FieldTree }>((tie) => ({
  inner: fc
    .tuple(fc.dictionary(fc.constantFrom("f:a", "f:b", "f:c"), tie("node"), { minKeys: 1, maxKeys: 3 }), fc.boolean())
    .map(([children, ownedItself]) => (ownedItself ? { ".": {}, ...children } : { ...children })),
  node: fc.oneof({ depthSize: "small", withCrossShrink: true }, fc.constant({}), tie("inner")),
})).inner;

/** The owned paths of a tree. */
function paths(node: FieldTree, prefix = ""): string[] {
  const children = Object.entries(node);
  if (children.length === 0) return prefix === "" ? [] : [prefix];
  return children.flatMap(([element, child]) => (element === "." ? [prefix] : paths(child, `${prefix}/${element}`)));
}

describe("sets", () => {
  // The root is never owned itself.
  const rootless = tree.map((node) => Object.fromEntries(Object.entries(node).filter(([element]) => element !== ".")));
  const sorted = (all: Iterable<string>): string[] => [...all].toSorted();

  test("union and difference do with trees what they do with sets of paths", () => {
    fc.assert(
      fc.property(rootless, rootless, (a, b) => {
        const [left, right] = [new Set(paths(a)), new Set(paths(b))];
        expect(sorted(paths(union(a, b)))).toEqual(sorted(left.union(right)));
        expect(sorted(paths(difference(a, b)))).toEqual(sorted(left.difference(right)));
      }),
      { numRuns: 1000 },
    );
  });

  test("equal sets have equal digests, however they came about", () => {
    fc.assert(
      fc.property(rootless, rootless, (a, b) => {
        expect(fieldSetDigest(union(a, b))).toBe(fieldSetDigest(union(b, a)));
        expect(fieldSetDigest(union(difference(a, b), a))).toBe(fieldSetDigest(a));
      }),
    );
  });
});

describe("covers", () => {
  test.each<{ what: string; live: object; desired: object; covered: boolean }>([
    { what: "the same", live: { url: "a" }, desired: { url: "a" }, covered: true },
    { what: "fields of others beside ours", live: { url: "a", replicas: 3 }, desired: { url: "a" }, covered: true },
    { what: "another value", live: { url: "b" }, desired: { url: "a" }, covered: false },
    { what: "nothing yet", live: {}, desired: { url: "a" }, covered: false },
    {
      what: "conditions in another order, with one of another owner",
      live: { conditions: [{ type: "B" }, { type: "X" }, { type: "A" }] },
      desired: { conditions: [{ type: "A" }, { type: "B" }] },
      covered: true,
    },
    {
      what: "a condition with another status",
      live: { conditions: [{ type: "A", status: "True" }] },
      desired: { conditions: [{ type: "A", status: "False" }] },
      covered: false,
    },
    { what: "a missing condition", live: { conditions: [] }, desired: { conditions: [{ type: "A" }] }, covered: false },
    { what: "a list with one item more", live: { steps: [1, 2] }, desired: { steps: [1] }, covered: false },
    { what: "a list where an object was", live: { steps: {} }, desired: { steps: [] }, covered: false },
    { what: "an object where a list was", live: { map: [] }, desired: { map: {} }, covered: false },
  ])("$what: $covered", ({ live, desired, covered }) => {
    expect(covers({ status: live }, { status: desired }, conditions)).toBe(covered);
  });

  test("every value covers itself", () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => covers(value, value, conditions)));
  });
});
