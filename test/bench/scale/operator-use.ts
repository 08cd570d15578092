// What the operator's process takes meanwhile: CPU, memory, and how long its event loop was blocked at most.

import type { OperatorProcess } from "../../integration/operator-process.ts";
import { cpuSeconds, peakResidentBytes, residentBytes } from "../server/process-usage.ts";
import { sampleValues } from "../server/prometheus-text.ts";

/** Reading costs the operator CPU time too; Prometheus does it every 15 s or so. */
const askEveryMs = 5000;

/** The only reader of the operator's metrics: the longest block begins anew whenever they are read. */
export class OperatorUse {
  readonly #operator: OperatorProcess;
  readonly #timer: NodeJS.Timeout;
  #longestBlockMs: number | undefined;

  /** Looks every five seconds until `stop`. */
  constructor(operator: OperatorProcess) {
    this.#operator = operator;
    // What a failed look has not seen is in the next one.
    this.#timer = setInterval(() => void this.#look().catch(() => undefined), askEveryMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Milliseconds since the last call, or since the operator's start. */
  async takeLongestBlockMs(): Promise<number> {
    await this.#look();
    const longest = this.#longestBlockMs;
    this.#longestBlockMs = undefined;
    if (longest === undefined)
      throw new Error("the operator's metrics do not tell how long its event loop was blocked");
    return longest;
  }

  /** Reconciles since its start, whatever came of them. */
  async reconciles(): Promise<number> {
    return sampleValues(await this.#look(), "controller_runtime_reconcile_total").reduce(
      (sum, value) => sum + value,
      0,
    );
  }

  cpuSeconds(): Promise<number> {
    return cpuSeconds(this.#operator.pid);
  }

  residentBytes(): Promise<number> {
    return residentBytes(this.#operator.pid);
  }

  peakResidentBytes(): Promise<number> {
    return peakResidentBytes(this.#operator.pid);
  }

  async #look(): Promise<string> {
    const text = await this.#operator.metrics();
    const blocks = sampleValues(text, "nodejs_eventloop_lag_max_seconds").map((seconds) => seconds * 1000);
    if (blocks.length > 0) this.#longestBlockMs = Math.max(this.#longestBlockMs ?? 0, ...blocks);
    return text;
  }
}
