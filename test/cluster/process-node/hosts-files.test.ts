// Tests of pods' hosts files.

import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Service } from "kubernetes-types/core/v1.js";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { HostsFiles, hostsFileContent } from "./hosts-files.ts";

const service = (namespace: string, name: string, clusterIP: string): Service => ({
  metadata: { namespace, name },
  spec: { clusterIP },
});
const owner = { namespace: "vision", podName: "web-1", podAddress: "10.244.0.5" };

describe("hostsFileContent", () => {
  test("has the pod itself, short names in the pod's namespace only, and no headless Services", () => {
    const content = hostsFileContent(owner, [
      service("vision", "resnet", "10.96.0.7"),
      service("default", "kubernetes", "10.96.0.1"),
      service("vision", "headless", "None"),
    ]);
    expect(content).toContain("10.244.0.5\tweb-1\n");
    expect(content).toContain("10.96.0.7\tresnet\tresnet.vision\tresnet.vision.svc\tresnet.vision.svc.cluster.local\n");
    expect(content).toContain("10.96.0.1\tkubernetes.default\tkubernetes.default.svc\t");
    expect(content).not.toContain("headless");
  });
});

describe("HostsFiles", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "hosts-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  test("follows the Services in the same file, longer and shorter, until the pod is removed", async () => {
    let services = [service("vision", "a-service-with-a-long-name", "10.96.0.9")];
    const errors: unknown[] = [];
    const files = new HostsFiles(
      () => services,
      (error) => errors.push(error),
    );
    const path = join(folder, "hosts");
    await files.add({ ...owner, path });
    const { ino } = await stat(path);
    for (const next of [[service("vision", "b", "10.96.0.8"), ...services], [], [service("x", "c", "10.96.0.3")]]) {
      services = next;
      files.servicesChanged();
      await vi.waitFor(async () => expect(await readFile(path, "utf8")).toBe(hostsFileContent(owner, next)));
    }
    expect((await stat(path)).ino).toBe(ino);
    files.remove(path);
    await rm(path);
    services = [];
    files.servicesChanged();
    const other = { ...owner, path: join(folder, "other") };
    await files.add(other);
    expect(await readFile(other.path, "utf8")).toBe(hostsFileContent(other, []));
    expect(errors).toEqual([]);
  });
});
