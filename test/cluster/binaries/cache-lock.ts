// Lets one process at a time fill the cache, so that two do not build the same for minutes.

import { open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isAlive } from "../process-alive.ts";

const pollMs = 500;

async function tryToTake(file: string): Promise<boolean> {
  try {
    const handle = await open(file, "wx");
    await handle.writeFile(`${process.pid}\n`);
    await handle.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return false;
  }
}

/**
 * Runs `action` while holding the lock of `folder`. A holder that has died loses it.
 * Should two ever hold it, they do the same work twice: files reach the cache by renaming, whole or not at all.
 */
export async function withCacheLock<T>(
  folder: string,
  options: { readonly log: (line: string) => void; readonly signal?: AbortSignal | undefined },
  action: () => Promise<T>,
): Promise<T> {
  const file = join(folder, ".lock");
  let waiting = false;
  while (!(await tryToTake(file))) {
    const holder = Number(await readFile(file, "utf8").catch(() => ""));
    if (holder > 0 && !isAlive(holder)) {
      await rm(file, { force: true });
      continue;
    }
    if (!waiting) options.log(`waiting for process ${holder}, which is fetching the same programs`);
    waiting = true;
    await sleep(pollMs, undefined, options.signal === undefined ? {} : { signal: options.signal });
  }
  try {
    return await action();
  } finally {
    await rm(file, { force: true });
  }
}
