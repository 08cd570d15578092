// The calibration's client, a thread of its own, as the measurements use it.

import { once } from "node:events";
import { Worker } from "node:worker_threads";

import type { ProbeClientSettings, ProbeCommand, ProbeReport } from "./probe-messages.ts";

export const HTTP_CLIENT = new URL("./http-probe-client.ts", import.meta.url);
export const GRPC_CLIENT = new URL("./grpc-probe-client.ts", import.meta.url);

/** Where the calibration listens: nobody else reaches it. */
export const LOOPBACK = "127.0.0.1";
/** All connections together have no more of the request under way. */
export const MAX_BYTES_UNDER_WAY = 16 * 1024 ** 2;

export interface ProbeClient {
  readonly slice: (command: ProbeCommand) => Promise<ProbeReport>;
  readonly end: () => Promise<void>;
}

/** Resolves when all its connections are there. */
export async function startProbeClient(script: URL, settings: ProbeClientSettings): Promise<ProbeClient> {
  const worker = new Worker(script, { workerData: settings, name: "calibration" });
  await once(worker, "message");
  return {
    slice: async (command) => {
      const answer = once(worker, "message");
      worker.postMessage(command, []);
      const [report] = (await answer) as [ProbeReport];
      return report;
    },
    end: async () => {
      const ended = once(worker, "exit");
      worker.postMessage("end", []);
      await ended;
    },
  };
}
