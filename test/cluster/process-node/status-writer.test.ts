// Tests of writing pod status.

import type { PodStatus } from "kubernetes-types/core/v1.js";
import { describe, expect, test } from "vitest";
import type { Clock } from "../../../operator/kube/clock.ts";
import { ApiError, ConnectionError } from "../../../operator/kube/errors.ts";
import { silentLogger } from "../../../operator/kube/testing.ts";
import type { KubeClient, KubeObject } from "../../../operator/kube/types.ts";
import { StatusWriter } from "./status-writer.ts";

/** Time passes at once. */
const hasty: Clock = {
  nowMs: () => 0,
  schedule(_delayMs, callback) {
    const timer = setImmediate(callback);
    return () => clearImmediate(timer);
  },
};

function makeWriter(answers: readonly (Error | undefined)[]): {
  writer: StatusWriter;
  phases: string[];
  stop: AbortController;
} {
  const phases: string[] = [];
  const left = [...answers];
  const stop = new AbortController();
  const client: Pick<KubeClient, "apply"> = {
    async apply<T extends KubeObject>(_type: unknown, object: T): Promise<T> {
      phases.push((object as { status?: PodStatus }).status?.phase ?? "");
      expect(object.metadata?.uid).toBe("u-1");
      const answer = left.shift();
      if (answer !== undefined) throw answer;
      return object;
    },
  };
  const pod = { metadata: { name: "web-1", namespace: "vision", uid: "u-1" } };
  const writer = new StatusWriter({
    client,
    clock: hasty,
    random: () => 0.5,
    logger: silentLogger,
    pod,
    signal: stop.signal,
  });
  return { writer, phases, stop };
}

async function write(writer: StatusWriter, ...phases: string[]): Promise<void> {
  for (const phase of phases) writer.set({ phase });
  await writer.flushed();
}

describe("status writer", () => {
  test("writes the newest of a burst, and nothing when nothing changed", async () => {
    const { writer, phases } = makeWriter([]);
    await write(writer, "Pending", "Running");
    await write(writer, "Running");
    await write(writer, "Failed");
    expect(phases).toEqual(["Running", "Failed"]);
  });

  test("tries again after failures, with what is newest then", async () => {
    const { writer, phases } = makeWriter([new ConnectionError("reset"), new ApiError("apply", 503, {})]);
    await write(writer, "Pending");
    expect(phases).toEqual(["Pending", "Pending", "Pending"]);
  });

  test.each([404, 409])("gives up on a pod that is gone: %d", async (status) => {
    const { writer, phases } = makeWriter([new ApiError("apply", status, {})]);
    await write(writer, "Pending");
    expect(phases).toEqual(["Pending"]);
  });

  test("does not repeat a status that the API server calls invalid, but writes the next", async () => {
    const { writer, phases } = makeWriter([new ApiError("apply", 422, {})]);
    await write(writer, "Pending");
    await write(writer, "Running");
    expect(phases).toEqual(["Pending", "Running"]);
  });

  test("stops when it is told to", async () => {
    const { writer, phases, stop } = makeWriter([]);
    stop.abort();
    await write(writer, "Pending");
    expect(phases).toEqual([]);
  });
});
