// What the process may use of the machine it runs on, and what it does use.

export interface Machine {
  /** CPUs, fractions included. */
  readonly cpus: number;
  /** Whole CPUs, at least 1. */
  readonly usableThreads: number;
  /** Undefined: no limit. */
  readonly memoryLimitBytes: number | undefined;
  /** Resident now. */
  readonly memoryBytes: () => number;
  /** Seconds of CPU that the process has used, in all its threads. */
  readonly cpuSeconds: () => number;
  /** The same of the calling thread. */
  readonly threadCpuSeconds: () => number;
  /** How often the CPU limit has stopped this process; undefined where that is not told. */
  readonly throttledPeriods: () => number | undefined;
  readonly fileExists: (file: string) => boolean;
}
