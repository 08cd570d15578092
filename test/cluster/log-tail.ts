// The end of a log, for people who look for the reason of a failure.

import { readFile } from "node:fs/promises";
import { join } from "node:path";

const tailLines = 15;

/** A sentence with the last 15 lines of the log that `name` wrote in `folder`, or that says that there are none. */
export async function describeLogEnd(folder: string, name: string): Promise<string> {
  const log = await readFile(join(folder, `${name}.log`), "utf8").catch(() => "");
  const tail = log.trimEnd().split("\n").slice(-tailLines).join("\n");
  return tail === "" ? `The log of ${name} is empty.` : `The end of ${name}'s log:\n${tail}`;
}
