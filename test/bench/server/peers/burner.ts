// Starts what takes as much of the cores as a load generator took, so that its share of a figure can be measured.

import { fileURLToPath } from "node:url";
import type { BenchProcess, ProcessGroup } from "../process-group.ts";

const program = fileURLToPath(new URL("burner-program.ts", import.meta.url));
const START_TIMEOUT_MS = 30_000;

/** @param share of one core, 0 to 1 */
export async function startBurner(
  group: ProcessGroup,
  { share, cores }: { share: number; cores: readonly number[] },
): Promise<BenchProcess> {
  const command = [process.execPath, program, String(share)];
  const started = group.start({ name: "the burner", command, cores });
  await started.next((line) => (line === "burning" ? true : undefined), START_TIMEOUT_MS);
  return started;
}
