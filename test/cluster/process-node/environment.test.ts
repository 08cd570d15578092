// Tests of container environments and of $(VARIABLE) references.

import type { Container } from "kubernetes-types/core/v1.js";
import { describe, expect, test } from "vitest";
import { ContainerConfigError, expandVariables, makeEnvironment, type ReferenceSources } from "./environment.ts";

const sources: ReferenceSources = {
  configMap: async (name) => (name === "settings" ? { data: { color: "blue", size: "4" } } : undefined),
  secret: async (name) => (name === "login" ? { data: { password: btoa("hunter2") } } : undefined),
  field: (path) => `<${path}>`,
  resource: ({ resource }) => `<${resource}>`,
};

const make = (container: Partial<Container>): Promise<Record<string, string>> =>
  makeEnvironment({ name: "c", ...container }, { HOME: "/root" }, sources);

describe("expandVariables", () => {
  const environment = { A: "1", B: "$(A)" };
  test.each([
    ["a reference becomes the value", "x=$(A)", "x=1"],
    ["a value is not expanded again", "$(B)", "$(A)"],
    ["an unknown name stays as it is", "$(C)", "$(C)"],
    ["a doubled dollar sign protects the reference", "$$(A)", "$(A)"],
    ["three dollar signs are a dollar sign and a reference", "$$$(A)", "$1"],
    ["a lone dollar sign stays", "$A $ $(", "$A $ $("],
  ])("%s", (_sentence, text, expected) => {
    expect(expandVariables(text, environment)).toBe(expected);
  });
});

describe("makeEnvironment", () => {
  test("later variables win and may refer to earlier ones and to the base", async () => {
    const environment = await make({
      env: [
        { name: "A", value: "1" },
        { name: "PATH_OF_A", value: "$(HOME)/$(A)/$(LATER)" },
        { name: "A", value: "2" },
        { name: "LATER", value: "3" },
      ],
    });
    expect(environment).toEqual({ HOME: "/root", A: "2", PATH_OF_A: "/root/1/$(LATER)", LATER: "3" });
  });

  test("references are read from ConfigMaps, Secrets, fields and resources", async () => {
    const environment = await make({
      env: [
        { name: "COLOR", valueFrom: { configMapKeyRef: { name: "settings", key: "color" } } },
        { name: "PASSWORD", valueFrom: { secretKeyRef: { name: "login", key: "password" } } },
        { name: "NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
        { name: "CPU", valueFrom: { resourceFieldRef: { resource: "limits.cpu" } } },
      ],
    });
    expect(environment).toMatchObject({
      COLOR: "blue",
      PASSWORD: "hunter2",
      NAME: "<metadata.name>",
      CPU: "<limits.cpu>",
    });
  });

  test("whole objects come first, with their prefix, and single variables replace them", async () => {
    const environment = await make({
      envFrom: [{ prefix: "S_", configMapRef: { name: "settings" } }, { secretRef: { name: "login" } }],
      env: [{ name: "S_size", value: "9" }],
    });
    expect(environment).toEqual({ HOME: "/root", S_color: "blue", S_size: "9", password: "hunter2" });
  });

  test("optional references that lead nowhere leave the variable out", async () => {
    const environment = await make({
      envFrom: [{ configMapRef: { name: "missing", optional: true } }],
      env: [
        { name: "A", valueFrom: { configMapKeyRef: { name: "missing", key: "a", optional: true } } },
        { name: "B", valueFrom: { secretKeyRef: { name: "login", key: "missing", optional: true } } },
      ],
    });
    expect(environment).toEqual({ HOME: "/root" });
  });

  test.each<[string, Partial<Container>, string]>([
    [
      "a missing ConfigMap",
      { env: [{ name: "A", valueFrom: { configMapKeyRef: { name: "missing", key: "a" } } }] },
      'configmap "missing" not found',
    ],
    [
      "a missing key",
      { env: [{ name: "A", valueFrom: { configMapKeyRef: { name: "settings", key: "a" } } }] },
      "couldn't find key a in ConfigMap settings",
    ],
    ["a missing Secret", { envFrom: [{ secretRef: { name: "missing" } }] }, 'secret "missing" not found'],
  ])("%s is a configuration error that names it", async (_sentence, container, message) => {
    const error = await make(container).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ContainerConfigError);
    expect((error as Error).message).toBe(message);
  });
});
