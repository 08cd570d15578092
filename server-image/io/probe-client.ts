// The calibration's client, a thread of its own, as the measurements use it.

import { once } from "node:events";
import { Worker } from "node:worker_threads";

import type { ProbeCommand, ProbeMessage, ProbeReport, ProbeTarget } from "./probe-messages.ts";

const SCRIPT = new URL("./probe-thread.ts", import.meta.url);

/** Where the calibration listens: nobody else reaches it. */
export const LOOPBACK = "127.0.0.1";
/** All connections together have no more of the request under way. */
export const MAX_BYTES_UNDER_WAY = 16 * 1024 ** 2;

/** The connections to one target. */
export interface ProbeConnections {
  /** Keeps all connections busy for a while; resolves when the last answer is there. */
  readonly slice: (command: ProbeCommand) => Promise<ProbeReport>;
}

/** Of its calls only one may be in progress at a time. They reject when the thread fails. */
export interface ProbeClient {
  /** Resolves when all connections are there; they stay until the end. */
  readonly open: (target: ProbeTarget) => Promise<ProbeConnections>;
  readonly end: () => Promise<void>;
}

export function startProbeClient(): ProbeClient {
  const worker = new Worker(SCRIPT, { name: "calibration" });
  const ended = Promise.withResolvers<void>();
  worker.on("exit", () => ended.resolve());
  // Whoever waits for an answer gets it.
  worker.on("error", () => undefined);
  const ask = async (message: ProbeMessage): Promise<unknown> => {
    const answer = once(worker, "message");
    worker.postMessage(message, []);
    const [value] = await answer;
    return value;
  };
  return {
    open: async (target) => {
      await ask({ open: target });
      return { slice: async (command) => (await ask({ ...command, port: target.port })) as ProbeReport };
    },
    end: async () => {
      worker.postMessage("end", []);
      await ended.promise;
    },
  };
}
