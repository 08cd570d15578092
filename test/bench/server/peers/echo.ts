// Starts the bare node:http server to compare with.

import { fileURLToPath } from "node:url";
import type { ProcessGroup } from "../process-group.ts";
import type { Peer } from "./fastapi.ts";

const program = fileURLToPath(new URL("echo-program.ts", import.meta.url));
const START_TIMEOUT_MS = 30_000;

/** @param answerBytes length of each answer's body */
export async function startEcho(
  group: ProcessGroup,
  { answerBytes, cores }: { answerBytes: number; cores: readonly number[] },
): Promise<Peer> {
  const command = [process.execPath, program, String(answerBytes)];
  const started = group.start({ name: "the echo server", command, cores });
  const port = await started.next((line) => {
    const [, text] = /^port (\d+)$/.exec(line) ?? [];
    return text === undefined ? undefined : Number(text);
  }, START_TIMEOUT_MS);
  return { port, process: started };
}
