// One authority for all replicas, whoever comes first, and whatever happens to its Secret.

import { X509Certificate } from "node:crypto";
import { beforeEach, describe, expect, test } from "vitest";
import { ApiError } from "../kube/errors.ts";
import { secrets } from "../kube/resource-types.ts";
import { silentLogger } from "../kube/testing.ts";
import { AuthorityStore } from "./authority-store.ts";
import { InMemoryClient } from "./in-memory-client.ts";

const ref = { namespace: "plimsoll-system", name: "plimsoll-external-metrics" };
const what = "Secret plimsoll-system/plimsoll-external-metrics";
const dayMs = 24 * 60 * 60 * 1000;
const { signal } = new AbortController();

let client: InMemoryClient;
let nowMs: number;

beforeEach(() => {
  client = new InMemoryClient();
  nowMs = Date.now();
});

function makeStore(mayWrite = true): AuthorityStore {
  return new AuthorityStore({ client, ...ref, mayWrite: () => mayWrite, now: () => nowMs, logger: silentLogger });
}

async function damage(data: Record<string, string | null>): Promise<void> {
  await client.patch(secrets, ref, { data });
  client.writes.pop();
}

test("the first replica makes the authority, and a restart or another replica writes nothing", async () => {
  const made = await makeStore().load(signal);
  const store = makeStore();
  expect(await store.load(signal)).toEqual(made);
  expect(await store.load(signal)).toEqual(made);
  expect(client.writes).toEqual([`create ${what}`]);
});

test("replicas that start at the same time end up with one authority", async () => {
  const [one, two, three] = await Promise.all([1, 2, 3].map(() => makeStore().load(signal)));
  expect(two).toEqual(one);
  expect(three).toEqual(one);
  expect(client.writes).toEqual([`create ${what}`]);
});

test("a replica that may not write waits for the one that may", async () => {
  const waiting = makeStore(false);
  expect(await waiting.load(signal)).toBeUndefined();
  const made = await makeStore().load(signal);
  expect(await waiting.load(signal)).toEqual(made);
});

test("a Secret that is deleted comes back as it was", async () => {
  const store = makeStore();
  const made = await store.load(signal);
  await client.delete(secrets, ref);
  expect(await store.load(signal)).toEqual(made);
  expect(await makeStore().load(signal)).toEqual(made);
});

describe("a Secret comes back as it was when", () => {
  test.each<[sentence: string, data: Record<string, string | null>]>([
    ["its certificate is missing", { "ca.crt": null }],
    ["its key is missing", { "ca.key": null }],
    ["its certificate is no certificate", { "ca.crt": "AAAA" }],
    ["its key is no key", { "ca.key": "AAAA" }],
  ])("%s", async (_sentence, data) => {
    const store = makeStore();
    const made = await store.load(signal);
    await damage(data);
    expect(await store.load(signal)).toEqual(made);
    expect(client.writes).toEqual([`create ${what}`, `patch ${what}`]);
  });
});

test("after a restart a damaged Secret is replaced by a new authority", async () => {
  const before = await makeStore().load(signal);
  await damage({ "ca.key": null });
  const after = await makeStore().load(signal);
  expect(after?.key).toContain("PRIVATE KEY");
  expect(after?.certificates).not.toEqual(before?.certificates);
});

test("two years before its end the authority is renewed once, and the old one stays trusted", async () => {
  const [old, other] = [makeStore(), makeStore(false)];
  const before = await old.load(signal);
  nowMs += 2921 * dayMs;
  expect(await other.load(signal)).toEqual(before);
  const after = await old.load(signal);
  expect(after?.certificates.slice(1)).toEqual(before?.certificates);
  expect(await other.load(signal)).toEqual(after);
  expect(await old.load(signal)).toEqual(after);
  expect(client.writes).toEqual([`create ${what}`, `patch ${what}`]);
  const [newest] = after?.certificates ?? [""];
  expect(new X509Certificate(newest).validToDate.getTime()).toBeGreaterThan(nowMs + 3649 * dayMs);
});

test("two replicas that renew at the same time end up with one authority", async () => {
  const [one, two] = [makeStore(), makeStore()];
  await one.load(signal);
  nowMs += 2921 * dayMs;
  const [first, second] = await Promise.all([one.load(signal), two.load(signal)]);
  expect(first).toEqual(second);
});

test("what the API server refuses is reported, not repeated", async () => {
  let attempts = 0;
  client.before = (verb) => {
    if (verb !== "create") return;
    attempts += 1;
    throw new ApiError(`create ${what}`, 403, { message: "forbidden" });
  };
  await expect(makeStore().load(signal)).rejects.toThrow("forbidden");
  expect(attempts).toBe(1);
});
