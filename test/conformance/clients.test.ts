// Clients that others wrote, unchanged, against real servers; results equal those of Python's onnxruntime.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findPython, pythonEnvironment } from "../python/environment.ts";
import { type DriverRun, listCases, runDriver } from "./driver.ts";
import { type ModelServers, startModelServers } from "./model-servers.ts";

const requirements = fileURLToPath(new URL("requirements.txt", import.meta.url));

/** Each client, its driver, and how many cases that has at least: a driver that tries nothing must not pass. */
const clients: readonly [string, string, number][] = [
  ["Triton's client over HTTP", "triton_http", 130],
  ["Triton's client over gRPC", "triton_grpc", 60],
  ["KServe's clients", "kserve_clients", 115],
  ["clients generated from the protocol's documents", "generated_from_protocol", 70],
  ["gRPC health and reflection", "grpc_services", 8],
  ["TensorFlow Serving's REST interface", "tensorflow_serving", 50],
  ["the V2 protocol by hand", "plain_http", 40],
];

function pathOf(driver: string): string {
  return fileURLToPath(new URL(`clients/${driver}.py`, import.meta.url));
}

if ((await findPython()) === undefined) {
  describe.skip("no Python 3.11 to 3.13 with venv in PATH: clients in Python", () => {
    test.each(clients)("%s", () => {});
  });
} else {
  const python = await pythonEnvironment(requirements);
  const cases = new Map<string, readonly string[]>();
  for (const [, driver] of clients) cases.set(driver, await listCases(python, pathOf(driver)));

  let folder = "";
  let servers: ModelServers | undefined;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "plimsoll-conformance-"));
    servers = await startModelServers(python, folder);
  });
  afterAll(async () => {
    await servers?.stop();
    await rm(folder, { recursive: true });
  });

  describe.each(clients)("%s", (_client, driver, least) => {
    const names = cases.get(driver) ?? [];
    let run: DriverRun;
    beforeAll(async () => {
      run = await runDriver(python, pathOf(driver), servers?.addresses ?? {});
    });

    test("the driver tries enough", () => {
      expect(names.length).toBeGreaterThanOrEqual(least);
    });

    test.each(names)("%s", (name) => {
      const result = run.results.get(name);
      expect(result, `the driver did not come to this case:\n${run.printed}`).toBeDefined();
      expect(result?.ok, result?.detail).toBe(true);
    });
  });
}
