// `make demo`: shows the main job of Plimsoll on a real control plane, and exits with 0 only if all of it was seen.

import { ClusterError } from "../cluster/errors.ts";
import { ToolError } from "../cluster/tool.ts";
import { runDemo } from "./demo.ts";
import { Narrator } from "./narrator.ts";
import { SetUpError } from "./set-up.ts";
import { TextError } from "./text-line.ts";

const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => interrupted.abort(new Error(`stopped by ${signal}`)));
}

let exitCode: number;
try {
  exitCode = await runDemo({
    text: process.env["TEXT"] ?? "Load line 4711",
    keep: process.env["KEEP"] === "1",
    narrator: new Narrator(
      (text) => process.stdout.write(text),
      () => performance.now(),
    ),
    signal: interrupted.signal,
  });
} catch (error) {
  exitCode = interrupted.signal.aborted ? 130 : 1;
  process.stderr.write(`\n${explain(error)}\n`);
}

// Kept connections would hold the program for a while.
process.exit(exitCode);

/** Errors that name what to do need no stack; all others do. */
function explain(error: unknown): string {
  if (interrupted.signal.aborted) {
    return "stopped before the end; everything that ran is gone";
  }
  const forPeople = [ClusterError, SetUpError, TextError, ToolError].some((kind) => error instanceof kind);
  return error instanceof Error ? (forPeople ? error.message : (error.stack ?? error.message)) : String(error);
}
