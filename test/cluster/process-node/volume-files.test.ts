// Tests of the files in ConfigMap, Secret, downward API and projected volumes.

import type { Pod, Volume } from "kubernetes-types/core/v1.js";
import { describe, expect, test } from "vitest";
import { makeVolumeFiles, VolumeError, type VolumeSources } from "./volume-files.ts";

const pod: Pod = {
  metadata: { name: "web-1", namespace: "vision", labels: { app: "web" } },
  spec: { containers: [{ name: "server", resources: { limits: { cpu: "2" } } }] },
};
const sources: VolumeSources = {
  configMap: async (name) =>
    name === "settings" ? { data: { "app.conf": "x=1", other: "o" }, binaryData: { blob: btoa("b") } } : undefined,
  secret: async (name) => (name === "login" ? { data: { password: btoa("hunter2") } } : undefined),
  token: async ({ audience, expirationSeconds }) => ({
    token: `token for ${audience}`,
    lifetimeSeconds: expirationSeconds,
  }),
  facts: { pod, podAddress: "", hostAddress: "10.10.0.1", nodeCapacity: {} },
};

async function filesOf(volume: Omit<Volume, "name">): Promise<Record<string, string> | undefined> {
  const made = await makeVolumeFiles({ name: "v", ...volume }, sources);
  return (
    made &&
    Object.fromEntries(made.files.map(({ path, content, mode }) => [path, `${content.toString()} ${mode.toString(8)}`]))
  );
}

describe("makeVolumeFiles", () => {
  test.each<[string, Omit<Volume, "name">, Record<string, string>]>([
    [
      "a whole ConfigMap",
      { configMap: { name: "settings" } },
      { "app.conf": "x=1 644", other: "o 644", blob: "b 644" },
    ],
    [
      "chosen keys under other names and modes",
      {
        configMap: {
          name: "settings",
          defaultMode: 0o600,
          items: [
            { key: "app.conf", path: "etc/app", mode: 0o400 },
            { key: "other", path: "o" },
          ],
        },
      },
      { "etc/app": "x=1 400", o: "o 600" },
    ],
    ["a Secret", { secret: { secretName: "login" } }, { password: "hunter2 644" }],
    ["an optional object that is missing", { configMap: { name: "missing", optional: true } }, {}],
    [
      "the downward API",
      {
        downwardAPI: {
          items: [
            { path: "labels", fieldRef: { fieldPath: "metadata.labels" } },
            { path: "cpu", resourceFieldRef: { containerName: "server", resource: "limits.cpu" } },
          ],
        },
      },
      { labels: 'app="web" 644', cpu: "2 644" },
    ],
    [
      "several sources in one",
      {
        projected: {
          sources: [
            { configMap: { name: "settings", items: [{ key: "other", path: "ca.crt" }] } },
            { secret: { name: "login" } },
          ],
        },
      },
      { "ca.crt": "o 644", password: "hunter2 644" },
    ],
  ])("%s", async (_sentence, volume, expected) => {
    expect(await filesOf(volume)).toEqual(expected);
  });

  test("a token is renewed after four fifths of the shortest lifetime", async () => {
    const token = (path: string, expirationSeconds: number) => ({
      serviceAccountToken: { path, expirationSeconds, audience: path },
    });
    const made = await makeVolumeFiles(
      { name: "v", projected: { sources: [token("a", 3600), token("b", 600)] } },
      sources,
    );
    expect(made?.refreshAfterSeconds).toBe(480);
    expect(made?.files.map(({ content }) => content.toString())).toEqual(["token for a", "token for b"]);
  });

  test("volumes of other kinds have no files", async () => {
    expect(await filesOf({ emptyDir: {} })).toBeUndefined();
  });

  test.each<[string, Omit<Volume, "name">, string]>([
    ["a missing ConfigMap", { configMap: { name: "missing" } }, 'configmap "missing" not found'],
    ["a missing Secret", { secret: { secretName: "missing" } }, 'secret "missing" not found'],
    [
      "a missing key",
      { secret: { secretName: "login", items: [{ key: "user", path: "u" }] } },
      "references non-existent key: user",
    ],
    [
      "a container that the pod does not have",
      { downwardAPI: { items: [{ path: "cpu", resourceFieldRef: { containerName: "x", resource: "limits.cpu" } }] } },
      'resourceFieldRef names container "x", which the pod does not have',
    ],
  ])("%s keeps the pod waiting and is named", async (_sentence, volume, message) => {
    const error = await filesOf(volume).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(VolumeError);
    expect((error as Error).message).toBe(message);
  });
});
