// What the raw process and its threads say to each other and to whoever started them.

import type { GivenShapes, ModelValue } from "../sample-tensors.ts";

/** The raw process's only argument, as JSON. */
export interface RawSetup {
  readonly modelPath: string;
  /** Sessions, each on a thread of its own. */
  readonly workers: number;
  /** Threads of one run. */
  readonly threads: number;
  readonly shapes: GivenShapes;
}

/** The first line of the raw process. */
export interface RawReady {
  readonly inputs: readonly ModelValue[];
  readonly outputs: readonly ModelValue[];
  /** Resident before any session was made, but with onnxruntime loaded. */
  readonly bytesBefore: number;
}

/** A line to the raw process: run without a break for so long on so many of its workers. */
export interface RawOrder {
  readonly rows: number;
  readonly busyWorkers: number;
  readonly seconds: number;
}

/** A thread's answer to an order. */
export interface ThreadResult {
  /** Of each run. */
  readonly runSeconds: readonly number[];
  /** From the first run's start to the last one's end. */
  readonly seconds: number;
  /** Values of each output of the last run, of the first row of each where there is a batch axis. */
  readonly outputs: Readonly<Record<string, readonly number[]>>;
}

/** The raw process's answer to an order. */
export interface RawResult {
  readonly rowsPerSecond: number;
  readonly runSeconds: readonly number[];
  readonly outputs: ThreadResult["outputs"];
  readonly residentBytes: number;
}
