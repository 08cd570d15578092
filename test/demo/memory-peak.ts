// The most memory that the whole demo used at any time it was looked at.

import type { Cluster } from "../cluster/running-cluster.ts";

const intervalMs = 5000;

/** Looks every five seconds until disposed. */
export class MemoryPeak implements Disposable {
  #bytes = 0;
  readonly #timer: NodeJS.Timeout;
  readonly #cluster: Cluster;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    // A look that fails leaves the peak as it is; the last one, at the end, is awaited and must not fail.
    this.#timer = setInterval(() => void this.look().catch(() => {}), intervalMs);
  }

  /** The cluster with its pods, the load generator and the demo itself; shared pages count once. */
  get bytes(): number {
    return this.#bytes;
  }

  async look(): Promise<void> {
    const { proportionalBytes } = await this.#cluster.memory();
    this.#bytes = Math.max(this.#bytes, proportionalBytes + process.memoryUsage.rss());
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
