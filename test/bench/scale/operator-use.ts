// What the operator's process takes meanwhile: CPU, memory, and how long its event loop was blocked at most.

import { readFile } from "node:fs/promises";
import type { OperatorProcess } from "../../integration/operator-process.ts";

/** The kernel counts CPU time in these on every machine that Linux runs on with its usual settings. */
const ticksPerSecond = 100;
const lagMetric = "nodejs_eventloop_lag_max_seconds";
const askEveryMs = 1000;

export class OperatorUse {
  readonly #operator: OperatorProcess;
  readonly #timer: NodeJS.Timeout;
  #longestBlockMs = 0;

  private constructor(operator: OperatorProcess) {
    this.#operator = operator;
    this.#timer = setInterval(() => void this.#look().catch(() => undefined), askEveryMs);
  }

  /** Looks each second until `stop`: the metric begins anew whenever it is read. */
  static of(operator: OperatorProcess): OperatorUse {
    return new OperatorUse(operator);
  }

  /** The longest that the event loop was blocked, in milliseconds. */
  stop(): number {
    clearInterval(this.#timer);
    return this.#longestBlockMs;
  }

  /** User and system time since its start. */
  async cpuSeconds(): Promise<number> {
    const text = await readFile(`/proc/${this.#operator.pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  }

  residentBytes(): Promise<number> {
    return this.#memory("VmRSS");
  }

  /** The most that was resident since its start. */
  peakBytes(): Promise<number> {
    return this.#memory("VmHWM");
  }

  async #memory(name: "VmRSS" | "VmHWM"): Promise<number> {
    const text = await readFile(`/proc/${this.#operator.pid}/status`, "utf8");
    const kilobytes = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text)?.[1];
    if (kilobytes === undefined) throw new Error(`the kernel does not tell ${name} of the operator`);
    return Number(kilobytes) * 1024;
  }

  async #look(): Promise<void> {
    const seconds = await this.#operator.metric(lagMetric);
    if (seconds !== undefined) this.#longestBlockMs = Math.max(this.#longestBlockMs, seconds * 1000);
  }
}
