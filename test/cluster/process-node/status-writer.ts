// Writes a pod's status to the API server: only what changed, one write at a time, the newest wins.

import type { Pod, PodStatus } from "kubernetes-types/core/v1.js";
import { backoffMs } from "../../../operator/kube/backoff.ts";
import { type Clock, wait } from "../../../operator/kube/clock.ts";
import { ApiError } from "../../../operator/kube/errors.ts";
import type { KubeClient, Logger } from "../../../operator/kube/types.ts";
import { pods } from "./resource-types.ts";

export interface StatusWriterOptions {
  readonly client: Pick<KubeClient, "apply">;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly pod: Pod;
  /** Ends the attempts to write. */
  readonly signal: AbortSignal;
}

/** Server-side apply keeps the conditions that others own, such as the scheduler's, out of harm's way. */
export const fieldManager = "process-node";

export class StatusWriter {
  readonly #options: StatusWriterOptions;
  #wanted: PodStatus | undefined;
  #written = "";
  #writing: Promise<void> | undefined;

  constructor(options: StatusWriterOptions) {
    this.#options = options;
  }

  set(status: PodStatus): void {
    this.#wanted = status;
    this.#writing ??= this.#writeAll();
  }

  /** Resolves when the last status set is written, or can no longer be. */
  async flushed(): Promise<void> {
    await this.#writing;
  }

  async #writeAll(): Promise<void> {
    // Changes come in bursts: all those of one turn of the event loop are one write.
    await new Promise((resolve) => setImmediate(resolve));
    for (let failures = 0; this.#wanted !== undefined && !this.#options.signal.aborted; ) {
      const status = this.#wanted;
      this.#wanted = undefined;
      const text = JSON.stringify(status);
      if (text === this.#written) continue;
      try {
        await this.#write(status);
        this.#written = text;
        failures = 0;
      } catch (error) {
        if (this.#options.signal.aborted || isGone(error)) break;
        if (error instanceof ApiError && error.status === 422) {
          this.#options.logger.error({ err: error }, "pod status refused; the next change is written again");
          continue;
        }
        failures += 1;
        this.#wanted ??= status;
        this.#options.logger.warn({ err: error, failures }, "pod status not written; it will be tried again");
        const { clock, random, signal } = this.#options;
        await wait(clock, backoffMs(failures, { baseMs: 500, maxMs: 10_000, random }), signal);
      }
    }
    this.#writing = undefined;
  }

  async #write(status: PodStatus): Promise<void> {
    const { client, pod, signal } = this.#options;
    const { name = "", namespace = "", uid = "" } = pod.metadata ?? {};
    // The UID makes the write fail when another pod has taken the name.
    const object: Pod = { apiVersion: "v1", kind: "Pod", metadata: { name, namespace, uid }, status };
    await client.apply(pods, object, { subresource: "status", fieldManager, signal });
  }
}

/** The pod no longer exists, or another one has its name. */
function isGone(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 404 || error.status === 409);
}
