// Runs the demo and writes docs/demo.svg from what it really prints, when it really prints it: `node test/demo/record.ts`

import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type RecordedLine, toSvg } from "./terminal-recording.ts";

const file = fileURLToPath(new URL("../../docs/demo.svg", import.meta.url));
const demo = spawn(process.execPath, [fileURLToPath(new URL("main.ts", import.meta.url))], {
  stdio: ["inherit", "pipe", "inherit"],
});
const ended = once(demo, "exit");
const lines: RecordedLine[] = [{ atMs: 0, text: "$ make demo" }];
const startMs = performance.now();
for await (const text of createInterface({ input: demo.stdout })) {
  process.stdout.write(`${text}\n`);
  // The one thing that differs between people; the rest is what the demo said.
  lines.push({ atMs: performance.now() - startMs, text: text.replaceAll(homedir(), "~") });
}
const [code] = (await ended) as [number | null];
if (code !== 0) {
  throw new Error(`the demo failed with exit code ${code}: nothing was recorded`);
}
await writeFile(file, toSvg(lines, { title: "make demo (8 times as fast)", columns: 110, rows: 32, speed: 8 }));
process.stdout.write(`wrote ${file}\n`);
