// The reflector against a real HTTP server: it comes back from every break, asks no more than it must, and misses nothing.

import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ClosableKubeClient, createKubeClient } from "./client.ts";
import { Reflector, type ReflectorOptions } from "./reflector.ts";
import { Store } from "./store.ts";
import {
  answerJson,
  type Exchange,
  ManualClock,
  ScriptedServer,
  silentLogger,
  type Thing,
  thing,
  things,
  until,
} from "./testing.ts";

let server: ScriptedServer;
let client: ClosableKubeClient;
/** Time of the reflector. */
let clock: ManualClock;
/** Time of the client: deadlines and the watchdog. */
let clientClock: ManualClock;
let store: Store<Thing>;
let changes: string[];
let stop: AbortController;
let running: Promise<void>;

/** What the server holds and does; tests change it as they go. */
let items: Thing[];
let resourceVersion: string;
let listAnswer: ((exchange: Exchange) => void) | undefined;
let watchAnswer: ((exchange: Exchange, number: number) => void) | undefined;
let watches: { response: ServerResponse; query: URLSearchParams }[];
let lists: URLSearchParams[];

beforeEach(async () => {
  server = await ScriptedServer.start();
  clock = new ManualClock();
  clientClock = new ManualClock();
  client = createKubeClient({ kubeConfig: server.kubeConfig(), userAgent: "test", clock: clientClock });
  changes = [];
  store = new Store<Thing>({ onListenerError: () => undefined });
  store.subscribe((before, after) =>
    changes.push(`${after ? (before ? "~" : "+") : "-"}${(after ?? before)?.metadata?.name}`),
  );
  stop = new AbortController();
  items = [thing("a", "1")];
  resourceVersion = "10";
  listAnswer = undefined;
  watchAnswer = undefined;
  watches = [];
  lists = [];
  server.handler = (exchange) => {
    const query = exchange.url.searchParams;
    if (query.has("watch")) {
      watches.push({ response: exchange.response, query });
      exchange.response.flushHeaders();
      watchAnswer?.(exchange, watches.length);
    } else {
      lists.push(query);
      if (listAnswer) listAnswer(exchange);
      else answerJson(exchange.response, 200, { metadata: { resourceVersion }, items });
    }
  };
});

afterEach(async () => {
  stop.abort();
  await running;
  client.close();
  await server[Symbol.asyncDispose]();
});

function start(options: Partial<ReflectorOptions<Thing>> = {}): Reflector<Thing> {
  const reflector = new Reflector({
    client,
    type: things,
    store,
    logger: silentLogger,
    clock,
    random: () => 0.5,
    ...options,
  });
  running = reflector.run(stop.signal);
  return reflector;
}

const line = (type: string, object: object): string => `${JSON.stringify({ type, object })}\n`;
const expired = { kind: "Status", code: 410, reason: "Expired", message: "too old" };
const bookmark = (rv: string): string => line("BOOKMARK", { metadata: { resourceVersion: rv } });

async function watching(count: number): Promise<ServerResponse> {
  await until(() => watches.length >= count, `watch number ${count}`);
  return watches[count - 1]!.response;
}

/** The reflector's next back-off, in milliseconds. */
async function delay(): Promise<number> {
  await until(() => clock.timersMs.length > 0, "a back-off");
  return clock.timersMs[0]!;
}

describe("in good times", () => {
  test("lists, then watches from the list's version with bookmarks and a spread time limit", async () => {
    const reflector = start({ namespace: "ns", labelSelector: "a=b" });
    expect(reflector.hasSynced).toBe(false);
    await reflector.synced;
    expect(reflector.hasSynced).toBe(true);
    await watching(1);
    expect(Object.fromEntries(lists[0]!)).toEqual({ limit: "500", labelSelector: "a=b" });
    expect(Object.fromEntries(watches[0]!.query)).toEqual({
      watch: "true",
      allowWatchBookmarks: "true",
      labelSelector: "a=b",
      resourceVersion: "10",
      timeoutSeconds: "450",
    });
  });

  test("a long list comes in pages and is shown whole", async () => {
    const pages = new Map([
      [null, { token: "p2", names: ["a", "b"] }],
      ["p2", { token: "p3", names: ["c"] }],
      ["p3", { token: "", names: ["d"] }],
    ]);
    const sizes: number[] = [];
    store.subscribe(() => sizes.push(store.size));
    listAnswer = ({ url, response }) => {
      const page = pages.get(url.searchParams.get("continue"))!;
      answerJson(response, 200, {
        metadata: { resourceVersion: "10", continue: page.token },
        items: page.names.map((name) => ({ metadata: { namespace: "ns", name, uid: name, resourceVersion: "1" } })),
      });
    };
    await start().synced;
    expect(sizes).toEqual([4, 4, 4, 4]);
    expect(store.list().map(({ kind, metadata }) => `${kind} ${metadata?.name}`)).toEqual([
      "Thing a",
      "Thing b",
      "Thing c",
      "Thing d",
    ]);
  });

  test("while a long page is made smaller, others have their turn", async () => {
    items = Array.from({ length: 200 }, (_, index) => thing(`n${index}`, "1"));
    let done = 0;
    const reflector = start({
      transform: (object) => {
        clock.advance(5);
        done += 1;
        return object;
      },
    });
    const doneAtTurn: number[] = [];
    const look = () => {
      doneAtTurn.push(done);
      if (!reflector.hasSynced) setImmediate(look);
    };
    look();
    await reflector.synced;
    doneAtTurn.push(done);
    const between = doneAtTurn.map((sofar, index) => sofar - (doneAtTurn[index - 1] ?? 0));
    expect(Math.max(...between)).toBeLessThan(20);
    expect(store.size).toBe(200);
  });

  test("events change the store, and the transform sees every object", async () => {
    start({ transform: (object) => ({ ...object, spec: { text: "seen" } }) });
    const response = await watching(1);
    response.write(
      line("ADDED", thing("b", "11")) + line("MODIFIED", thing("a", "12")) + line("DELETED", thing("b", "13")),
    );
    await until(() => changes.length === 4, "four changes");
    expect(changes).toEqual(["+a", "+b", "~a", "-b"]);
    expect(store.list()).toEqual([{ ...thing("a", "12"), spec: { text: "seen" } }]);
  });

  test("a watch that ends in order is repeated at once from where it was, without a list", async () => {
    start();
    const response = await watching(1);
    clock.advance(450_000);
    response.end(line("ADDED", thing("b", "11")) + bookmark("99"));
    await watching(2);
    expect(watches[1]!.query.get("resourceVersion")).toBe("99");
    expect(lists).toHaveLength(1);
    expect(clock.timersMs).toEqual([]);
  });

  test("says when the server was last heard", async () => {
    const reflector = start();
    const response = await watching(1);
    clock.advance(1234);
    response.write(bookmark("11"));
    await until(() => reflector.lastActivityMs === 1234, "the activity");
  });
});

describe("in bad times", () => {
  test.each([
    { what: "a reset connection", act: (response: ServerResponse) => response.socket!.resetAndDestroy() },
    { what: "a broken line", act: (response: ServerResponse) => response.end('{"type":') },
    { what: "HTML in the stream", act: (response: ServerResponse) => response.end("<html>\n") },
  ])("$what: the watch goes on from the last version a second later, without a list", async ({ act }) => {
    start();
    const response = await watching(1);
    response.write(line("ADDED", thing("b", "11")));
    await until(() => store.size === 2, "the event");
    clock.advance(60_000);
    act(response);
    expect(await delay()).toBe(750);
    clock.advance(750);
    await watching(2);
    expect(watches[1]!.query.get("resourceVersion")).toBe("11");
    expect(lists).toHaveLength(1);
  });

  test("after a watch that lasted, the back-off starts anew", async () => {
    watchAnswer = (exchange, number) => number <= 3 && exchange.response.end();
    start();
    for (const ms of [750, 1500, 3000]) {
      expect(await delay()).toBe(ms);
      clock.advance(ms);
    }
    const response = await watching(4);
    clock.advance(60_000);
    response.socket?.resetAndDestroy();
    expect(await delay()).toBe(750);
  });

  test("a silent socket is given up and the watch repeated", async () => {
    start();
    await watching(1);
    await until(() => clientClock.timersMs.some((ms) => ms > 400_000), "the watchdog");
    clock.advance(480_000);
    clientClock.advance(480_000);
    expect(await delay()).toBe(750);
    clock.advance(750);
    await watching(2);
  });

  test("410 after a long watch: one list at once, and what was deleted meanwhile is gone", async () => {
    start();
    const response = await watching(1);
    clock.advance(60_000);
    items = [thing("c", "20")];
    resourceVersion = "20";
    response.end(line("ERROR", expired));
    await watching(2);
    expect(watches[1]!.query.get("resourceVersion")).toBe("20");
    expect(lists).toHaveLength(2);
    expect(changes).toEqual(["+a", "-a", "+c"]);
  });

  test.each([
    { what: "410 for ever", act: (e: Exchange) => e.response.end(line("ERROR", expired)), firstMs: 0, relists: true },
    { what: "an empty end for ever", act: (e: Exchange) => e.response.end(), firstMs: 750, relists: false },
    { what: "resets for ever", act: (e: Exchange) => e.request.socket.resetAndDestroy(), firstMs: 750, relists: false },
    {
      what: "errors for ever (a restored etcd)",
      act: (e: Exchange) =>
        e.response.end(line("ERROR", { code: 504, reason: "Timeout", message: "Too large resource version" })),
      firstMs: 750,
      relists: true,
    },
  ])(
    "$what: ever slower, no faster than twice a minute in the end, and no more lists than watches",
    async ({ act, firstMs, relists }) => {
      watchAnswer = act;
      start();
      const delays: number[] = [];
      for (let round = firstMs === 0 ? 2 : 1; round <= 8; round += 1) {
        delays.push(await delay());
        expect(watches).toHaveLength(round);
        expect(lists).toHaveLength(relists ? round : 1);
        clock.advance(delays.at(-1)!);
      }
      const full = [750, 1500, 3000, 6000, 12_000, 22_500, 22_500, 22_500];
      expect(delays).toEqual(firstMs === 0 ? full.slice(1) : full);
    },
  );

  test("a list that fails is tried again for ever, and the reflector syncs in the end", async () => {
    listAnswer = ({ response }) => answerJson(response, 500, { message: "etcd is away" });
    const reflector = start();
    for (let round = 1; round <= 5; round += 1) {
      const ms = await delay();
      expect(lists).toHaveLength(round);
      if (round === 5) listAnswer = undefined;
      clock.advance(ms);
    }
    await reflector.synced;
    expect(watches.length).toBeLessThanOrEqual(1);
    expect(lists).toHaveLength(6);
  });

  test("a refused connection is no end either", async () => {
    await server[Symbol.asyncDispose]();
    const reflector = start();
    expect(await delay()).toBe(750);
    expect(reflector.hasSynced).toBe(false);
  });

  test("a list with a page that has expired begins anew", async () => {
    let round = 0;
    listAnswer = ({ url, response }) => {
      const token = url.searchParams.get("continue");
      if (token !== null && (round += 1) === 1) answerJson(response, 410, expired);
      else answerJson(response, 200, { metadata: { resourceVersion: "10", continue: token ? "" : "p2" }, items: [] });
    };
    const reflector = start();
    // 410 of the first round of all: at once.
    await reflector.synced;
    expect(lists.map((query) => query.get("continue"))).toEqual([null, "p2", null, "p2"]);
  });

  test("a page that is too large is asked for in halves", async () => {
    client.close();
    client = createKubeClient({
      kubeConfig: server.kubeConfig(),
      userAgent: "test",
      clock: clientClock,
      maxAnswerBytes: 2000,
    });
    listAnswer = ({ url, response }) => {
      const limit = Number(url.searchParams.get("limit"));
      answerJson(response, 200, { metadata: { resourceVersion: "10" }, items: [], padding: "x".repeat(limit * 10) });
    };
    const reflector = start();
    clock.advance(await delay());
    await until(() => lists.length === 2, "the second list");
    clock.advance(await delay());
    await reflector.synced;
    expect(lists.map((query) => query.get("limit"))).toEqual(["500", "250", "125"]);
  });

  test("an event that cannot be stored is asked for again", async () => {
    let broken = true;
    start({
      transform: (object) => {
        if (broken && object.metadata?.name === "b") throw new Error("transform");
        return object;
      },
    });
    (await watching(1)).write(line("ADDED", thing("b", "11")));
    await delay();
    broken = false;
    items = [thing("a", "1"), thing("b", "11")];
    clock.advance(750);
    await until(() => store.size === 2, "the event");
    expect(changes).toEqual(["+a", "+b"]);
  });
});

describe("stopping", () => {
  test("ends the watch, opens no other, and leaves no timer", async () => {
    start();
    const response = await watching(1);
    let closed = false;
    response.on("close", () => Object.assign(response, { closedByTest: (closed = true) }));
    stop.abort();
    await running;
    await until(() => closed, "the end of the connection");
    expect(watches).toHaveLength(1);
    expect([...clock.timersMs, ...clientClock.timersMs]).toEqual([]);
  });

  test("during a back-off ends at once and asks nothing more", async () => {
    watchAnswer = ({ request }) => request.socket.destroy();
    start();
    await delay();
    stop.abort();
    await running;
    expect(watches).toHaveLength(1);
    expect(clock.timersMs).toEqual([]);
  });
});
