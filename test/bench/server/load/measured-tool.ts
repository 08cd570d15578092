// What a load generator itself takes: its CPU time, told by the shell that ran it.

export interface MeasuredTool {
  /** User and system time of the generator. */
  readonly cpuSeconds: number;
}

/** The command with its errors and, at its end, a line with its CPU times, all on standard output. */
export function timed(command: readonly string[]): string[] {
  return ["bash", "-c", 'TIMEFORMAT="cpu %U %S"; { time "$@"; } 2>&1', "bash", ...command];
}

/** Throws where the output has no such line. */
export function readCpuSeconds(output: string): number {
  const [, user, system] = /^cpu ([\d.]+) ([\d.]+)$/m.exec(output) ?? [];
  if (user === undefined || system === undefined) {
    throw new Error(`the CPU times of a load generator are missing: ${output.trim()}`);
  }
  return Number(user) + Number(system);
}
