// For tests: fetches with short limits, from servers of the test, and what came of them.

import { recordingLog } from "../../test-server.ts";
import { type FetchOptions, fetchModel } from "../fetch-model.ts";
import { resolveWithSystem } from "../guarded-agent.ts";
import type { FetchedModel } from "../model-file.ts";
import { STORAGE_NOT_GIVEN, type StorageConfig } from "../options.ts";
import type { Progress } from "../transfer.ts";

export interface TestFetch {
  readonly config: Partial<StorageConfig> & Pick<StorageConfig, "storageUri">;
  readonly options?: Partial<FetchOptions>;
}

/** Loopback is where the tests' servers are. */
export const LOOPBACK = ["127.0.0.0/8", "::1/128"];

/** Limits that a test reaches in no time, and no jitter. */
export function testFetch({ config, options = {} }: TestFetch): Promise<FetchedModel> {
  const all: StorageConfig = {
    ...STORAGE_NOT_GIVEN,
    pvcRoot: "/nonexistent",
    ociRoot: "/nonexistent",
    downloadTimeoutSeconds: 20,
    maxModelBytes: 10_000_000,
    maxModelFiles: 50,
    maxExpansionRatio: 100,
    storageInstanceCredentials: false,
    storageAllowedNetworks: LOOPBACK,
    s3AddressingStyle: "auto",
    ...config,
  };
  return fetchModel(all, {
    stallTimeoutMs: 5000,
    firstWaitMs: 1,
    environment: {},
    resolveHost: resolveWithSystem,
    signal: new AbortController().signal,
    random: () => 0,
    clock: () => performance.now(),
    log: recordingLog().log,
    onProgress: () => undefined,
    ...options,
  });
}

/** Keeps what it is told. */
export function recordProgress(): { onProgress: (progress: Progress) => void; told: Progress[] } {
  const told: Progress[] = [];
  return { onProgress: (progress) => told.push(progress), told };
}
