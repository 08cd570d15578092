// How much memory a server may hold: the process itself, and for each copy of the model what the bare runtime takes and a little.

/** For the thread of a worker, its share of the runtime and its buffers. */
const OVERHEAD_BYTES_PER_WORKER = 90 * 1024 ** 2;

export interface MemoryParts {
  /** Of the server before it has a model. */
  readonly baseBytes: number;
  /** What loading the model and running its largest batch adds to a process that does nothing else. */
  readonly rawSessionBytes: number;
  readonly workers: number;
}

/** Bytes of resident memory. */
export function memoryBudget({ baseBytes, rawSessionBytes, workers }: MemoryParts): number {
  return baseBytes + workers * (rawSessionBytes + OVERHEAD_BYTES_PER_WORKER);
}
