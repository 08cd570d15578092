// Starts the raw process and gives it orders.

import { fileURLToPath } from "node:url";
import type { BenchProcess, ProcessGroup } from "../process-group.ts";
import type { GivenShapes } from "../sample-tensors.ts";
import type { RawOrder, RawReady, RawResult, RawSetup } from "./messages.ts";

const program = fileURLToPath(new URL("program.ts", import.meta.url));
const START_TIMEOUT_MS = 60_000;
/** Beyond what an order asks for: warm-up, and a last run of a large batch. */
const EXTRA_TIMEOUT_MS = 60_000;

export interface RawModel {
  readonly modelPath: string;
  readonly shapes: GivenShapes;
}

export interface RawSplit {
  readonly workers: number;
  readonly threads: number;
}

export class RawProcess {
  readonly split: RawSplit;
  readonly ready: RawReady;
  readonly #process: BenchProcess;

  private constructor(split: RawSplit, started: BenchProcess, ready: RawReady) {
    this.split = split;
    this.#process = started;
    this.ready = ready;
  }

  static async start(
    group: ProcessGroup,
    { modelPath, shapes }: RawModel,
    { split, cores }: { split: RawSplit; cores: readonly number[] },
  ): Promise<RawProcess> {
    const setup: RawSetup = { modelPath, shapes, ...split };
    const command = [process.execPath, program, JSON.stringify(setup)];
    const started = group.start({ name: "the raw process", command, cores });
    return new RawProcess(split, started, (await started.next(parseLine, START_TIMEOUT_MS)) as RawReady);
  }

  /** Rejects when a run fails, for example because the model does not take so many rows. */
  async run(order: RawOrder): Promise<RawResult> {
    const answer = this.#process.next(parseLine, order.seconds * 1000 + EXTRA_TIMEOUT_MS) as Promise<RawResult>;
    this.#process.write(JSON.stringify(order));
    return answer;
  }

  stop(): Promise<void> {
    return this.#process.stop();
  }
}

/** Warnings of Node or onnxruntime are lines as well, but not of JSON. */
function parseLine(line: string): unknown {
  return line.startsWith("{") ? JSON.parse(line) : undefined;
}
