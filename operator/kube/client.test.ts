// The client against a real HTTP server that answers well, badly, slowly, partly or not at all.

import { getEventListeners } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ClosableKubeClient, createKubeClient } from "./client.ts";
import { AnswerTooLargeError, ApiError, ConnectionError } from "./errors.ts";
import { namespaces } from "./resource-types.ts";
import { answerJson, type Exchange, ManualClock, ScriptedServer, thing, things, until } from "./testing.ts";
import type { RequestObservation, TransportOptions } from "./transport.ts";
import type { WatchEvent } from "./types.ts";

let server: ScriptedServer;
let client: ClosableKubeClient;
let clock: ManualClock;
let observed: RequestObservation[];

function connect(options: Partial<TransportOptions> = {}): void {
  client = createKubeClient({
    kubeConfig: server.kubeConfig({ token: "secret" }),
    userAgent: "kube-test/1",
    clock,
    random: () => 0.5,
    onRequest: (observation) => observed.push(observation),
    ...options,
  });
}

beforeEach(async () => {
  server = await ScriptedServer.start();
  clock = new ManualClock();
  observed = [];
  connect();
});

afterEach(async () => {
  client.close();
  await server[Symbol.asyncDispose]();
});

const ref = { namespace: "ns", name: "a" };
const write = { fieldManager: "tester" };
const watchOptions = { namespace: "ns", resourceVersion: "7", timeoutSeconds: 300 };

function respond(status: number, body: object, headers?: object): void {
  server.handler = ({ response }) => answerJson(response, status, body, headers);
}

/** Answers the requests one after the other; the last answer is repeated. */
function respondInTurn(...answers: ((exchange: Exchange) => void)[]): void {
  server.handler = (exchange) => answers[Math.min(server.exchanges.length, answers.length) - 1]?.(exchange);
}

async function collect<T>(events: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const event of events) all.push(event);
  return all;
}

describe("requests", () => {
  test.each([
    {
      call: "get",
      run: () => client.get(things, ref),
      line: "GET /apis/example.com/v1/namespaces/ns/things/a",
    },
    {
      call: "get of a cluster-scoped kind in the core group",
      run: () => client.get(namespaces, { name: "a" }),
      line: "GET /api/v1/namespaces/a",
    },
    {
      call: "get of a subresource",
      run: () => client.get(things, ref, { subresource: "scale" }),
      line: "GET /apis/example.com/v1/namespaces/ns/things/a/scale",
    },
    {
      call: "create",
      run: () => client.create(things, thing("a", "1"), write),
      line: "POST /apis/example.com/v1/namespaces/ns/things?fieldManager=tester",
      type: "application/json",
    },
    {
      call: "apply",
      run: () => client.apply(things, thing("a", "1"), write),
      line: "PATCH /apis/example.com/v1/namespaces/ns/things/a?fieldManager=tester&force=true",
      type: "application/apply-patch+yaml",
    },
    {
      call: "apply of the status",
      run: () => client.apply(things, thing("a", "1"), { ...write, subresource: "status" }),
      line: "PATCH /apis/example.com/v1/namespaces/ns/things/a/status?fieldManager=tester&force=true",
      type: "application/apply-patch+yaml",
    },
    {
      call: "merge patch",
      run: () => client.patch(things, ref, { spec: {} }, write),
      line: "PATCH /apis/example.com/v1/namespaces/ns/things/a?fieldManager=tester",
      type: "application/merge-patch+json",
    },
    {
      call: "delete",
      run: () => client.delete(things, ref, { uid: "u" }),
      line: "DELETE /apis/example.com/v1/namespaces/ns/things/a",
      type: "application/json",
    },
  ])("$call is $line", async ({ run, line, type }) => {
    respond(200, thing("a", "1"));
    await run();
    const request = server.exchanges[0]?.request;
    expect(`${request?.method} ${request?.url}`).toBe(line);
    expect(request?.headers["content-type"]).toBe(type);
    expect(request?.headers.authorization).toBe("Bearer secret");
    expect(request?.headers["user-agent"]).toBe("kube-test/1");
  });

  test("a delete names the object that it means", async () => {
    respond(200, {});
    await client.delete(things, ref, { uid: "u", resourceVersion: "3", propagationPolicy: "Foreground" });
    expect(JSON.parse(server.exchanges[0]?.body ?? "")).toMatchObject({
      preconditions: { uid: "u", resourceVersion: "3" },
      propagationPolicy: "Foreground",
    });
  });

  test.each(["", ".", "..", "a/b"])("the name %j never reaches the server", async (name) => {
    await expect(client.delete(things, { namespace: "ns", name })).rejects.toThrow(/is not an object name/);
    await expect(client.get(things, { name: "a" })).rejects.toThrow(/namespace is required/);
    expect(server.exchanges).toHaveLength(0);
  });

  test("not found is undefined for get and false for delete, and an error for a write", async () => {
    respond(404, { kind: "Status", code: 404, reason: "NotFound", message: 'things "a" not found' });
    expect(await client.get(things, ref)).toBeUndefined();
    expect(await client.delete(things, ref)).toBe(false);
    await expect(client.patch(things, ref, {}, write)).rejects.toMatchObject({ status: 404, reason: "NotFound" });
  });

  test("items of a list have the shape of watched objects", async () => {
    respond(200, { metadata: { resourceVersion: "9" }, items: [{ metadata: { name: "a" } }] });
    const { items } = await client.list(things, { limit: 500, continue: "token", labelSelector: "a=b" });
    expect(items).toEqual([{ apiVersion: "example.com/v1", kind: "Thing", metadata: { name: "a" } }]);
    expect(server.exchanges[0]?.url.search).toBe("?limit=500&continue=token&labelSelector=a%3Db");
  });

  test("connections are kept, and metrics say what was asked", async () => {
    const sockets = new Set<unknown>();
    server.handler = ({ request, response }) => {
      sockets.add(request.socket);
      answerJson(response, 200, thing("a", "1"));
    };
    for (let i = 0; i < 3; i += 1) await client.get(things, ref, { subresource: "status" });
    expect(sockets.size).toBe(1);
    expect(observed).toHaveLength(3);
    const host = `127.0.0.1:${server.port}`;
    const request = { verb: "get", method: "GET", host, resource: "things/status" };
    expect(observed[0]).toEqual({ ...request, status: 200, seconds: 0 });
  });
});

describe("the API server's version", () => {
  test.each([
    ["36", 36],
    ["36+", 36],
  ])("%s is minor version %d", async (minor, expected) => {
    respond(200, { major: "1", minor, gitVersion: `v1.${minor}.3` });
    expect(await client.minorVersion()).toBe(expected);
    expect(server.exchanges[0]?.request.url).toBe("/version");
  });

  test("is an error when the answer has none", async () => {
    respond(200, { kind: "Status" });
    await expect(client.minorVersion()).rejects.toThrow(ConnectionError);
  });
});

describe("answers that are no success", () => {
  test.each([
    {
      answer: "a Status",
      status: 422,
      body: '{"kind":"Status","reason":"Invalid","message":"spec.size: must be positive","details":{"causes":[{"field":"spec.size"}]}}',
      expected: {
        reason: "Invalid",
        message: "get Thing ns/a: spec.size: must be positive",
        causes: [{ field: "spec.size" }],
      },
    },
    {
      answer: "a proxy's page",
      status: 502,
      body: "<html>bad gateway",
      expected: { reason: "Unknown", message: "get Thing ns/a: HTTP 502: <html>bad gateway" },
    },
    {
      answer: "nothing at all",
      status: 500,
      body: "",
      expected: { reason: "Unknown", message: "get Thing ns/a: HTTP 500" },
    },
    { answer: "JSON that is no object", status: 500, body: "null", expected: { reason: "Unknown" } },
    { answer: "a redirect", status: 302, body: "", expected: { message: "get Thing ns/a: HTTP 302" } },
  ])("$answer is an ApiError", async ({ status, body, expected }) => {
    server.handler = ({ response }) => response.writeHead(status, { location: "http://elsewhere/" }).end(body);
    const error = await client.get(things, ref).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ status, code: "API_ERROR", ...expected });
  });

  test.each([
    { answer: "HTML with 200", act: (e: Exchange) => e.response.end("<html>"), message: /not JSON/ },
    {
      answer: "half an object",
      act: (e: Exchange) => {
        e.response.writeHead(200, { "content-length": 99 });
        e.response.write('{"a":');
        setImmediate(() => e.response.destroy());
      },
      message: /broke off/,
    },
    {
      answer: "no answer",
      act: (e: Exchange) => e.request.socket.destroy(),
      message: /get Thing ns\/a: socket hang up/,
    },
  ])("$answer is a ConnectionError", async ({ act, message }) => {
    server.handler = act;
    await expect(client.get(things, ref)).rejects.toThrow(ConnectionError);
    await expect(client.get(things, ref)).rejects.toThrow(message);
  });

  test("an answer past the limit is refused before it is held", async () => {
    connect({ maxAnswerBytes: 1000 });
    server.handler = ({ response }) => {
      const more = (): boolean => !response.destroyed && response.write("x".repeat(500)) && more();
      response.on("drain", more);
      more();
    };
    await expect(client.list(things)).rejects.toThrow(AnswerTooLargeError);
  });

  test("a server that never answers costs the deadline, not for ever", async () => {
    connect({ requestTimeoutMs: 30_000 });
    const answer = client.get(things, ref).catch((error: unknown) => error);
    await until(() => server.exchanges.length === 1, "the request");
    clock.advance(30_000);
    expect(await answer).toMatchObject({ code: "CONNECTION_ERROR", message: "get Thing ns/a: no answer within 30 s" });
    expect(clock.timersMs).toEqual([]);
  });

  test("calls and watches that have ended leave nothing on their caller's signal", async () => {
    const { signal } = new AbortController();
    respond(200, thing("a", "1"));
    await client.get(things, ref, { signal });
    respond(500, {});
    await expect(client.get(things, ref, { signal })).rejects.toThrow(ApiError);
    await expect(collect(client.watch(things, { ...watchOptions, signal }))).rejects.toThrow(ApiError);
    server.handler = ({ response }) => response.end();
    await collect(client.watch(things, { ...watchOptions, signal }));
    await until(() => getEventListeners(signal, "abort").length === 0, "the end of the connections");
  });

  test("an aborted caller gets its own reason and leaves nothing behind", async () => {
    const stop = new AbortController();
    const answer = client.get(things, ref, { signal: stop.signal }).catch((error: unknown) => error);
    await until(() => server.exchanges.length === 1, "the request");
    const reason = new Error("stopping");
    stop.abort(reason);
    expect(await answer).toBe(reason);
    expect(clock.timersMs).toEqual([]);
  });
});

describe("trying again", () => {
  const busy =
    (seconds?: string) =>
    ({ response }: Exchange) =>
      answerJson(response, 429, { reason: "TooManyRequests" }, seconds === undefined ? {} : { "retry-after": seconds });
  const unavailable = ({ response }: Exchange) => answerJson(response, 503, {}, { "retry-after": "1" });
  const fine = ({ response }: Exchange) => answerJson(response, 200, thing("a", "1"));

  async function advanceUntilSettled(answer: Promise<unknown>): Promise<unknown> {
    const state = { settled: false };
    const result = answer.catch((error: unknown) => error).finally(() => Object.assign(state, { settled: true }));
    while (!state.settled) {
      const tries = server.exchanges.length;
      await until(() => state.settled || clock.timersMs.some((ms) => ms < 30_000), "a wait or the end");
      if (!state.settled) clock.advance(Math.min(...clock.timersMs));
      await until(() => state.settled || server.exchanges.length > tries, "the next try or the end");
    }
    return result;
  }

  test("429 is tried again after the time that the server names, even for a create", async () => {
    respondInTurn(busy("2"), fine);
    const answer = client.create(things, thing("a", "1"), write);
    await until(() => clock.timersMs.length === 1 && clock.timersMs[0]! < 30_000, "the wait");
    expect(clock.timersMs).toEqual([2250]);
    clock.advance(2250);
    expect(await answer).toMatchObject({ metadata: { name: "a" } });
  });

  test.each([
    { what: "429 four times", answers: [busy("1")], verb: "get" as const, tries: 4 },
    { what: "429 without a time", answers: [busy()], verb: "get" as const, tries: 4 },
    { what: "429 with an hour", answers: [busy("3600")], verb: "get" as const, tries: 1 },
    { what: "503 for a read", answers: [unavailable], verb: "get" as const, tries: 4 },
    { what: "503 for a create", answers: [unavailable], verb: "create" as const, tries: 1 },
  ])("$what ends after $tries tries", async ({ answers, verb, tries }) => {
    respondInTurn(...answers);
    const error = await advanceUntilSettled(
      verb === "get" ? client.get(things, ref) : client.create(things, thing("a", "1"), write),
    );
    expect(error).toBeInstanceOf(ApiError);
    expect(server.exchanges).toHaveLength(tries);
  });

  test("a kept connection that the server has closed meanwhile is replaced without fuss", async () => {
    respondInTurn(fine, ({ request }) => request.socket.destroy(), fine);
    await client.get(things, ref);
    expect(await client.get(things, ref)).toMatchObject({ metadata: { name: "a" } });
    expect(server.exchanges).toHaveLength(3);
  });

  test("a create on such a connection is not repeated", async () => {
    respondInTurn(fine, ({ request }) => request.socket.destroy());
    await client.get(things, ref);
    await expect(client.create(things, thing("a", "1"), write)).rejects.toThrow(ConnectionError);
    expect(server.exchanges).toHaveLength(2);
  });
});

describe("watch", () => {
  const line = (type: string, object: object): string => `${JSON.stringify({ type, object })}\n`;

  test("asks for bookmarks and a time limit, and yields what comes", async () => {
    server.handler = ({ response }) =>
      response.end(line("ADDED", thing("a", "8")) + line("BOOKMARK", { metadata: { resourceVersion: "9" } }));
    const events = await collect(client.watch(things, watchOptions));
    expect(events.map(({ type, object }) => [type, object.metadata?.resourceVersion])).toEqual([
      ["ADDED", "8"],
      ["BOOKMARK", "9"],
    ]);
    expect(Object.fromEntries(server.exchanges[0]?.url.searchParams ?? [])).toEqual({
      watch: "true",
      allowWatchBookmarks: "true",
      resourceVersion: "7",
      timeoutSeconds: "300",
    });
  });

  test("events survive being cut anywhere, within characters too", async () => {
    const object = { ...thing("a", "8"), spec: { text: "größer als 10 €, 日本 🚢 \\n" } };
    const bytes = Buffer.from(line("ADDED", object) + line("MODIFIED", object) + line("DELETED", object));
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.nat(bytes.length), { maxLength: 12 }), async (cuts) => {
        const edges = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
        const pieces = edges.slice(1).map((edge, i) => bytes.subarray(edges[i], edge));
        server.handler = ({ response }) => {
          response.flushHeaders();
          response.socket?.setNoDelay(true);
          const next = (): void => {
            const piece = pieces.shift();
            if (piece === undefined) response.end();
            else response.write(piece, () => setImmediate(next));
          };
          next();
        };
        const events = await collect(client.watch(things, watchOptions));
        expect(events).toEqual(["ADDED", "MODIFIED", "DELETED"].map((type) => ({ type, object })));
      }),
      { numRuns: 60 },
    );
  });

  test.each([
    {
      cut: "a reset connection",
      act: (e: Exchange) => {
        e.response.write(line("ADDED", thing("a", "8")));
        setImmediate(() => e.request.socket.resetAndDestroy());
      },
      error: { code: "CONNECTION_ERROR", message: "watch Thing ns: the stream broke off" },
    },
    {
      cut: "an end within a line",
      act: (e: Exchange) => e.response.end(`${line("ADDED", thing("a", "8"))}{"type":"MOD`),
      error: { code: "CONNECTION_ERROR", message: "watch Thing ns: the stream ended within a line" },
    },
    {
      cut: "a line that is not JSON",
      act: (e: Exchange) => e.response.end(`${line("ADDED", thing("a", "8"))}<html>\n`),
      error: { code: "CONNECTION_ERROR" },
    },
    {
      cut: "an event of an unknown type",
      act: (e: Exchange) => e.response.end(`${line("ADDED", thing("a", "8"))}${line("MOVED", {})}`),
      error: { code: "CONNECTION_ERROR" },
    },
    {
      cut: "410 within the stream",
      act: (e: Exchange) =>
        e.response.end(
          line("ADDED", thing("a", "8")) +
            line("ERROR", { kind: "Status", code: 410, reason: "Expired", message: "too old" }),
        ),
      error: { code: "API_ERROR", status: 410, reason: "Expired" },
    },
  ])("$cut is an exception after the events before it", async ({ act, error }) => {
    server.handler = act;
    const seen: WatchEvent<object>[] = [];
    const failure = await (async () => {
      for await (const event of client.watch(things, watchOptions)) seen.push(event);
      return "ended in order";
    })().catch((reason: unknown) => reason);
    expect(failure).toMatchObject(error);
    expect(seen).toHaveLength(1);
  });

  test("410 as the answer is an ApiError", async () => {
    respond(410, { kind: "Status", code: 410, reason: "Gone" });
    await expect(collect(client.watch(things, watchOptions))).rejects.toMatchObject({ status: 410 });
  });

  test("a connection that falls silent for longer than the server would is given up", async () => {
    server.handler = ({ response }) => response.write(line("ADDED", thing("a", "8")));
    const events = client.watch(things, watchOptions)[Symbol.asyncIterator]();
    await events.next();
    const next = events.next().then(
      () => "went on",
      (error: unknown) => error,
    );
    await until(() => clock.timersMs[0] === 330_000, "the watchdog");
    clock.advance(330_000);
    expect(await next).toMatchObject({ code: "CONNECTION_ERROR", message: "watch Thing ns: nothing came for 330 s" });
    expect(clock.timersMs).toEqual([]);
  });

  test("a head that never comes costs the deadline", async () => {
    const failure = collect(client.watch(things, watchOptions)).catch((error: unknown) => error);
    await until(() => server.exchanges.length === 1, "the request");
    clock.advance(30_000);
    expect(await failure).toMatchObject({ message: "watch Thing ns: no answer within 30 s" });
  });

  test("leaving the loop closes the connection", async () => {
    let closed = false;
    server.handler = ({ request, response }) => {
      request.socket.on("close", () => {
        closed = true;
      });
      response.write(line("ADDED", thing("a", "8")));
    };
    for await (const _ of client.watch(things, watchOptions)) break;
    await until(() => closed, "the end of the connection");
    expect(clock.timersMs).toEqual([]);
  });

  test("an aborted watch throws the caller's reason", async () => {
    const stop = new AbortController();
    server.handler = ({ response }) => response.write(line("ADDED", thing("a", "8")));
    const events = client.watch(things, { ...watchOptions, signal: stop.signal })[Symbol.asyncIterator]();
    await events.next();
    const reason = new Error("stopping");
    setImmediate(() => stop.abort(reason));
    await expect(events.next()).rejects.toBe(reason);
  });
});

test("a token file is read again, and its newline does no harm", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kube-token-"));
  try {
    const tokenFile = join(folder, "token");
    await writeFile(tokenFile, "first\n");
    connect({ kubeConfig: server.kubeConfig({ authProvider: { name: "tokenFile", config: { tokenFile } } }) });
    respond(200, thing("a", "1"));
    await client.get(things, ref);
    expect(server.exchanges[0]?.request.headers.authorization).toBe("Bearer first");
    await rm(tokenFile);
    connect({ kubeConfig: server.kubeConfig({ authProvider: { name: "tokenFile", config: { tokenFile } } }) });
    await expect(client.get(things, ref)).rejects.toThrow(/credentials of the kubeconfig cannot be used/);
  } finally {
    await rm(folder, { recursive: true });
  }
});
