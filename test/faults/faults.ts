// Everything but kills that goes wrong between the operator and the API server: refusals, cuts, and outdated views.

import { setTimeout as sleep } from "node:timers/promises";
import type { Call } from "./call.ts";
import { type EventFilter, type EventSink, type Fault, pass, type Verdict } from "./fault.ts";
import { goneStatus } from "./proxy.ts";
import type { Scene } from "./scene.ts";
import { jostle, type StepName } from "./story.ts";

/** Uniform in [0, 1), the same in each run (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function refusal(status: number, reason: string, retryAfterSeconds?: number): Verdict {
  const body = {
    kind: "Status",
    apiVersion: "v1",
    status: "Failure",
    reason,
    code: status,
    message: `a fault: ${reason}`,
  };
  const answer = { kind: "answer", status, body: JSON.stringify(body) } as const;
  return retryAfterSeconds === undefined ? answer : { ...answer, retryAfterSeconds };
}

/** Refuses a share of the calls that `concerns` picks. */
function refuses(name: string, share: number, concerns: (call: Call) => boolean, verdict: Verdict): Fault {
  const random = seededRandom(1);
  return { name, arrives: (call) => (concerns(call) && random() < share ? verdict : pass) };
}

const isWrite = ({ kind }: Call): boolean => kind === "write";
const isChange = (call: Call): boolean => isWrite(call) && call.method !== "POST";

const refusals: readonly Fault[] = [
  refuses("409 to half of all changes", 0.5, isChange, refusal(409, "Conflict")),
  refuses("429 with Retry-After to a third of all requests", 0.33, () => true, refusal(429, "TooManyRequests", 1)),
  refuses("500 to a third of all writes", 0.33, isWrite, refusal(500, "InternalError")),
  refuses("503 without Retry-After to a third of all requests", 0.33, () => true, refusal(503, "ServiceUnavailable")),
  refuses("a web page with 502 to a third of all writes", 0.33, isWrite, {
    kind: "answer",
    status: 502,
    body: "<!doctype html><title>Bad gateway</title>",
  }),
];

function cuts(scene: Scene): readonly Fault[] {
  const random = seededRandom(2);
  let left = 0;
  let held: Promise<void> | undefined;
  return [
    {
      name: "a third of all writes reset before they arrive",
      arrives: (call) => (isWrite(call) && random() < 0.33 ? { kind: "reset" } : pass),
    },
    { name: "a third of all answers to writes lost", written: () => (random() < 0.33 ? "lose" : "deliver") },
    {
      name: "every connection reset when a step begins, and after its first write",
      beforeStep: () => {
        left = 1;
      },
      afterAction: () => scene.proxy.resetAll(),
      delivered: () => {
        left -= 1;
        if (left === 0) scene.proxy.resetAll();
      },
    },
    {
      name: "nothing gets through for 3 s, then every connection is reset",
      beforeStep: () => {
        held = sleep(3_000).then(() => {
          held = undefined;
          scene.proxy.resetAll();
        });
      },
      arrives: async () => {
        await held;
        return pass;
      },
      watching:
        (_call, { send }) =>
        (line) =>
          void (held ?? Promise.resolve()).then(() => send(line)),
    },
    {
      name: "the API server restarted in each step",
      afterAction: () => scene.cluster.restartApiServer(),
    },
    {
      name: "up to 400 ms of delay on every request and event",
      arrives: async () => {
        await sleep(random() * 400);
        return pass;
      },
      watching: (_call, sink) => inOrder(sink, () => sleep(random() * 400)),
    },
  ];
}

/** Sends each event when `pause` is over, never before the one that came before it. */
function inOrder(sink: EventSink, pause: () => Promise<unknown>): EventFilter {
  let last: Promise<unknown> = Promise.resolve();
  return (line) => {
    last = last.then(pause).then(() => sink.send(line));
  };
}

interface WatchLine {
  readonly type: string;
  readonly object: { readonly metadata?: { readonly namespace?: string; readonly name?: string } };
}

function keyOf(line: string): string {
  const { type, object } = JSON.parse(line) as WatchLine;
  return type === "BOOKMARK" ? type : `${object.metadata?.namespace}/${object.metadata?.name}`;
}

/** Of all events about one object within half a second only the last is told: a new object follows the old one at once. */
function coalesced({ send }: EventSink): EventFilter {
  const waiting = new Map<string, string>();
  return (line) => {
    if (waiting.size === 0) {
      setTimeout(() => {
        for (const last of waiting.values()) send(last);
        waiting.clear();
      }, 500);
    }
    const key = keyOf(line);
    waiting.delete(key);
    waiting.set(key, line);
  };
}

/** All events of a second are lost; then the watch can go on from nowhere any more. */
function lost(sink: EventSink): EventFilter {
  let isLosing = false;
  return () => {
    if (isLosing) return;
    isLosing = true;
    setTimeout(() => sink.gone(), 1_000);
  };
}

function outdatedViews(scene: Scene): readonly Fault[] {
  const random = seededRandom(3);
  return [
    { name: "events coalesced", watching: (_call, sink) => coalesced(sink) },
    { name: "events lost until the watch is refused with 410", watching: (_call, sink) => lost(sink) },
    {
      name: "half of all watches refused with 410",
      arrives: ({ kind }) =>
        kind === "watch" && random() < 0.5 ? { kind: "answer", status: 410, body: JSON.stringify(goneStatus) } : pass,
      afterAction: () => scene.proxy.resetAll(),
    },
    {
      name: "every event told twice",
      watching:
        (_call, { send }) =>
        (line) => {
          send(line);
          send(line);
        },
    },
    staleLists(scene, 1),
    staleLists(scene, 2),
  ];
}

/** A new operator starts with lists from before so many steps; what has happened since then it hears 1.5 s later. */
function staleLists(scene: Scene, age: 1 | 2): Fault {
  const paths = new Set<string>();
  /** Lists as they were before each step, newest last. */
  const history: Map<string, string>[] = [];
  let replayed: Map<string, string> | undefined;
  return {
    name: `restarted on lists from before ${age === 1 ? "the step" : "the step before"}`,
    beforeStep: async () => {
      const lists = await Promise.all([...paths].map(async (path) => [path, await scene.proxy.read(path)] as const));
      history.push(new Map(lists));
    },
    afterAction: () => {
      replayed = new Map(history.at(-age));
      scene.crash();
    },
    listed: ({ path }, body) => {
      paths.add(path);
      const old = replayed?.get(path);
      // Once: a view that never catches up is none that Kubernetes has.
      replayed?.delete(path);
      return old ?? body;
    },
    watching: (_call, sink) => {
      const until = performance.now() + 1_500;
      return inOrder(sink, () => sleep(Math.max(0, until - performance.now())));
    },
  };
}

function secondWriter(scene: Scene): Fault {
  let writing: Promise<void> | undefined;
  const write = async (step: StepName): Promise<void> => {
    for (let count = 0; count < 25; count += 1) {
      await jostle(scene.client, scene.namespace, `${step} ${count}`);
      await sleep(20);
    }
    // Its last word is the same in every run.
    await jostle(scene.client, scene.namespace, null);
  };
  return {
    name: "another program writes into every object all the time",
    beforeStep: (step) => {
      writing = write(step);
    },
    afterAction: () => writing,
  };
}

/** In the order of the table. Faults keep state: make them anew for each run. */
export function makeFaults(scene: Scene): readonly Fault[] {
  return [...refusals, ...cuts(scene), ...outdatedViews(scene), secondWriter(scene)];
}
