// Programs in folders: which are found, which are refused and why.

import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { catalogue } from "./catalogue.ts";
import { findCached, findInstalled } from "./installed.ts";

let root = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "installed-test-"));
});
afterAll(() => rm(root, { recursive: true }));

/** A folder with a program that prints `says`. */
async function folderWith(folder: string, program: string, says: string, mode = 0o755): Promise<string> {
  const path = join(root, folder);
  await mkdir(path, { recursive: true });
  await writeFile(join(path, program), `#!/bin/sh\necho "${says}"\n`, { mode });
  return path;
}

describe("findInstalled", () => {
  const binary = catalogue["kube-apiserver"];

  test("KUBEBUILDER_ASSETS comes before PATH", async () => {
    const assets = await folderWith("assets", binary.name, "Kubernetes v1.36.1");
    const path = await folderWith("path", binary.name, "Kubernetes v1.36.2");
    const found = await findInstalled(binary, { KUBEBUILDER_ASSETS: assets, PATH: `/nowhere:${path}` });
    expect(found).toEqual([{ path: join(assets, binary.name) }]);
  });

  test("a program of the wrong version is refused with both versions, and the next folder is tried", async () => {
    const old = await folderWith("old", binary.name, "Kubernetes v1.32.4");
    const good = await folderWith("good", binary.name, "Kubernetes v1.36.0");
    const found = await findInstalled(binary, { PATH: `${old}:${good}` });
    expect(found).toEqual([
      {
        path: join(old, binary.name),
        refusal: "it is version 1.32.4; needed is 1.36.0 or later, below 1.37.0",
      },
      { path: join(good, binary.name) },
    ]);
  });

  test("a program that says no version is refused", async () => {
    const mute = await folderWith("mute", binary.name, "hello");
    const found = await findInstalled(binary, { PATH: mute });
    expect(found).toEqual([{ path: join(mute, binary.name), refusal: "it does not say its version" }]);
  });

  test("a file that cannot be executed is none", async () => {
    const plain = await folderWith("plain", binary.name, "Kubernetes v1.36.0", 0o644);
    expect(await findInstalled(binary, { PATH: plain })).toEqual([]);
  });

  test("one file under two names of its folder is said once", async () => {
    const old = await folderWith("once", binary.name, "Kubernetes v1.32.4");
    await symlink(old, join(root, "alias"));
    expect(await findInstalled(binary, { PATH: `${old}:${join(root, "alias")}` })).toHaveLength(1);
  });
});

describe("findCached", () => {
  const { prometheus } = catalogue;

  test("nothing is found in an empty cache", async () => {
    await mkdir(join(root, "empty"));
    expect(await findCached(prometheus, join(root, "empty"))).toBeUndefined();
  });

  test("another accepted version will do, the catalogue's is preferred", async () => {
    const folder = await folderWith("cache", "prometheus-v2.42.0", "");
    expect(await findCached(prometheus, folder)).toBe(join(folder, "prometheus-v2.42.0"));
    await folderWith("cache", `prometheus-v${prometheus.version}`, "");
    expect(await findCached(prometheus, folder)).toBe(join(folder, `prometheus-v${prometheus.version}`));
  });

  test.each(["prometheus-v2.10.0", "prometheus-v2.42.0.part", "kube-prometheus-v2.42.0", ".prometheus-v2.42.0"])(
    "%s is not taken",
    async (name) => {
      const folder = await folderWith(`not-${name}`, name, "");
      expect(await findCached(prometheus, folder)).toBeUndefined();
    },
  );
});
