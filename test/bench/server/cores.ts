// The two cores that everything is measured on, whatever the machine has: the reference points were measured on two.

/** Two different cores that this process may use. */
export type Cores = readonly [number, number];

/**
 * The first two cores of a list as the kernel writes it in `Cpus_allowed_list`, for example `0-3,8`.
 * Throws RangeError where there are fewer.
 */
export function firstTwoCores(list: string): Cores {
  const cores = list
    .trim()
    .split(",")
    .flatMap((range) => {
      const [from = Number.NaN, to = from] = range.split("-").map(Number);
      // Two of each range are enough, however long it is.
      return to > from ? [from, from + 1] : [from];
    });
  const [first, second] = cores;
  if (first === undefined || second === undefined || !cores.slice(0, 2).every(Number.isInteger)) {
    throw new RangeError(`two cores are needed, and this process may use only: ${list.trim() || "unknown"}`);
  }
  return [first, second];
}

/** The list of `/proc/self/status`. Throws where the text has none. */
export function allowedList(status: string): string {
  const [, found] = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status) ?? [];
  if (found === undefined) {
    throw new Error("the kernel does not say which cores this process may use (Cpus_allowed_list)");
  }
  return found;
}

/** The command with all its threads kept to these cores. */
export function pinned(cores: readonly number[], command: readonly string[]): string[] {
  return ["taskset", "--cpu-list", cores.join(","), ...command];
}
