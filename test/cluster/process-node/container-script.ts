// The shell script between `unshare` and a container's command: mounts, control group, new root.

import { join } from "node:path";
import { shellWord, type Tools } from "./commands.ts";
import type { LayoutStep } from "./root-directory.ts";

export interface ContainerScriptInput {
  readonly tools: Tools;
  readonly root: string;
  readonly steps: readonly LayoutStep[];
  readonly workingDirectory: string;
  /** Files to write 0 to, which makes the writing process a member. */
  readonly processFiles: readonly string[];
}

/**
 * Runs as process 1 of new PID and mount namespaces, with the container's command as its arguments. On descriptor 3 it says
 * `pid NUMBER` (its number outside of the PID namespace) when everything is set up, or what went wrong; descriptor 4 is the
 * container's stderr.
 * The control group comes last: a small CPU limit must not slow down the set-up.
 */
export function containerScript({ tools, root, steps, workingDirectory, processFiles }: ContainerScriptInput): string {
  const mount = shellWord(tools.mount);
  const lines = ["set -e", "exec 2>&3", "read -r pid rest </proc/self/stat"];
  for (const step of steps) {
    if (step.do !== "bind") continue;
    lines.push(`${mount} --rbind ${shellWord(step.source)} ${shellWord(step.path)}`);
    if (step.readOnly) lines.push(`${mount} -o remount,bind,ro ${shellWord(step.path)}`);
  }
  lines.push(`${mount} -t proc proc ${shellWord(join(root, "proc"))}`);
  for (const file of processFiles) lines.push(`echo 0 >${shellWord(file)}`);
  lines.push(
    'echo "pid $pid" >&3',
    "exec 2>&4 3>&- 4>&-",
    `exec ${shellWord(tools.unshare)} --root=${shellWord(root)} --wd=${shellWord(workingDirectory)} -- "$@"`,
  );
  return lines.join("\n");
}
