// Plays the story: drives the load generator, looks at the cluster once a second, prints the table and what happens.

import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import type { Narrator } from "./narrator.ts";
import type { LoadReport } from "./request-account.ts";
import type { ClusterView, Phase, Story, StoryEvent } from "./story.ts";
import { clock, tableHeader, tableRow } from "./table.ts";

/** The running load.ts: rates in, reports out. */
export interface GeneratorProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
}

export interface Stage {
  readonly generator: GeneratorProcess;
  readonly story: Story;
  readonly narrator: Narrator;
  /** Requests per second of the first phase. */
  readonly usualPerSecond: number;
  readonly view: () => Promise<ClusterView>;
  /** Called when a phase has ended, the load having changed. */
  readonly onPhaseEnd: (phase: Phase) => Promise<void>;
  /** Monotonic, milliseconds. */
  readonly nowMs: () => number;
  readonly signal: AbortSignal;
}

const headerEvery = 20;

/**
 * @returns the generator's last report, when every request has ended.
 * @throws Error when the generator ends by itself before the story is over.
 */
export async function play(stage: Stage): Promise<LoadReport> {
  const { generator, story, narrator, nowMs } = stage;
  const startMs = nowMs();
  let last: LoadReport | undefined;
  let rows = 0;
  generator.stdin.write(`${stage.usualPerSecond}\n`);
  for await (const line of createInterface({ input: generator.stdout })) {
    last = JSON.parse(line) as LoadReport;
    if (story.phase === "over") {
      continue;
    }
    stage.signal.throwIfAborted();
    if (rows++ % headerEvery === 0) {
      narrator.line(tableHeader());
    }
    const view = await stage.view();
    const elapsedSeconds = (nowMs() - startMs) / 1000;
    narrator.line(tableRow({ elapsedSeconds, offeredPerSecond: last.ratePerSecond, ...view, ...last }));
    const phase = story.phase;
    const events = story.tick(elapsedSeconds, view, last);
    for (const event of events) {
      narrator.line(describe(event, elapsedSeconds));
      obey(event, generator);
    }
    if (story.phase !== phase) {
      await stage.onPhaseEnd(phase);
    }
  }
  if (last === undefined || story.phase !== "over") {
    throw new Error("the load generator ended before the demo did; its message is above");
  }
  return last;
}

function obey(event: StoryEvent, { stdin }: GeneratorProcess): void {
  if (event.kind === "load" && event.phase === "over") {
    stdin.end();
  } else if (event.kind === "load") {
    stdin.write(`${event.ratePerSecond}\n`);
  }
}

function describe(event: StoryEvent, elapsedSeconds: number): string {
  if (event.kind === "change") {
    const { from, to, reason } = event.change;
    return `  >> replicas ${from} -> ${to}: ${reason}`;
  }
  const verb = { usual: "starts at", risen: "rises to", fallen: "falls to", over: "ends:" }[event.phase];
  return `  >> ${clock(elapsedSeconds)} the load ${verb} ${event.ratePerSecond} requests/s`;
}
