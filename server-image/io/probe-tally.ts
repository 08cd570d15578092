// Counts the answers of one stretch of the calibration's requests, and tells how fast they came once it was well under way.

import type { ProbeCommand, ProbePace, ProbeReport } from "./probe-messages.ts";

export interface ProbeTallyOptions extends Omit<ProbeCommand, "bytes"> {
  /** Milliseconds, monotonic. */
  readonly clock: () => number;
  /** Seconds of CPU that the client's thread has used. */
  readonly cpuSeconds: () => number;
}

export class ProbeTally {
  readonly #options: ProbeTallyOptions;
  readonly #startedAtMs: number;
  readonly #startedAtCpu: number;
  readonly #steady = new Slope();
  #answered = 0;
  #failed = 0;
  #steadyFrom: Used | undefined;
  #steadyTo: Used | undefined;

  /** The stretch begins. */
  constructor(options: ProbeTallyOptions) {
    this.#options = options;
    this.#startedAtMs = options.clock();
    this.#startedAtCpu = options.cpuSeconds();
  }

  /** False once no more requests should be sent. */
  get running(): boolean {
    return this.#elapsedMs() < this.#options.warmUpMs + this.#options.milliseconds;
  }

  ended(ok: boolean): void {
    const { warmUpMs, milliseconds } = this.#options;
    this.#answered += 1;
    this.#failed += ok ? 0 : 1;
    const steadyForMs = this.#elapsedMs() - warmUpMs;
    if (steadyForMs < 0) {
      return;
    }
    this.#steadyFrom ??= this.#used();
    if (steadyForMs <= milliseconds) {
      this.#steady.add(steadyForMs / 1000, this.#answered);
    } else {
      this.#steadyTo ??= this.#used();
    }
  }

  report(): ProbeReport {
    const end = this.#used();
    return {
      answered: this.#answered,
      failed: this.#failed,
      cpuSeconds: end.cpuSeconds - this.#startedAtCpu,
      steady: this.#pace(this.#steadyTo ?? end),
    };
  }

  #pace(end: Used): ProbePace | undefined {
    const perSecond = this.#steady.value;
    if (this.#steadyFrom === undefined || perSecond === undefined) {
      return undefined;
    }
    const { cpuSeconds, atMs } = this.#steadyFrom;
    return { perSecond, cpuShare: (end.cpuSeconds - cpuSeconds) / ((end.atMs - atMs) / 1000) };
  }

  #used(): Used {
    return { cpuSeconds: this.#options.cpuSeconds(), atMs: this.#elapsedMs() };
  }

  #elapsedMs(): number {
    return this.#options.clock() - this.#startedAtMs;
  }
}

interface Used {
  readonly cpuSeconds: number;
  readonly atMs: number;
}

/** Of the line that fits points best: unlike a plain count it does not depend on how many of a batch fall into the time. */
class Slope {
  #points = 0;
  #meanX = 0;
  #meanY = 0;
  #varianceX = 0;
  #covariance = 0;

  add(x: number, y: number): void {
    this.#points += 1;
    const distance = x - this.#meanX;
    this.#meanX += distance / this.#points;
    this.#meanY += (y - this.#meanY) / this.#points;
    this.#varianceX += distance * (x - this.#meanX);
    this.#covariance += distance * (y - this.#meanY);
  }

  /** Undefined where all points have the same x. */
  get value(): number | undefined {
    return this.#varianceX > 0 ? this.#covariance / this.#varianceX : undefined;
  }
}
