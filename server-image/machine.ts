// What the process may use of the machine it runs on.

export interface Machine {
  /** CPUs, fractions included. */
  readonly cpus: number;
  /** Whole CPUs, at least 1. */
  readonly usableThreads: number;
  /** Undefined: no limit. */
  readonly memoryLimitBytes: number | undefined;
  readonly fileExists: (file: string) => boolean;
}
