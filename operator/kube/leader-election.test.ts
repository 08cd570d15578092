// Candidates on one Lease, each with a clock of its own that is moved by hand: who leads when, and who may write.

import type { Lease } from "kubernetes-types/coordination/v1.js";
import { describe, expect, test } from "vitest";
import { ApiError, ConnectionError, LeadershipLostError } from "./errors.ts";
import { LeaderElection } from "./leader-election.ts";
import { ManualClock, silentLogger } from "./testing.ts";
import type { KubeClient, KubeObject } from "./types.ts";

const timing = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 };
const conflict = () => new ApiError("patch Lease", 409, { reason: "Conflict" });

/** The API server's one Lease. */
class LeaseServer {
  lease: Lease | undefined;
  version = 0;
  writes = 0;

  get holder(): string | undefined {
    return this.lease?.spec?.holderIdentity;
  }

  write(spec: Lease["spec"]): Lease {
    this.writes += 1;
    this.version += 1;
    this.lease = { metadata: { resourceVersion: `${this.version}` }, spec: { ...this.lease?.spec, ...spec } };
    return this.lease;
  }
}

type Trouble = "none" | "refused" | "answers are lost" | "silent";

/** A replica of the program: its clock, its way to the API server, and what became of it. */
class Candidate {
  readonly clock = new ManualClock();
  readonly stop = new AbortController();
  readonly election: LeaderElection;
  trouble: Trouble = "none";
  /** Called between the server's work and the answer. */
  beforeAnswer: () => void = () => undefined;
  leads = false;
  ended: "no" | "in order" | LeadershipLostError = "no";

  constructor(server: LeaseServer, identity: string, wallClock = new Date(0)) {
    this.election = new LeaderElection({
      client: this.#client(server),
      lease: { namespace: "ns", name: "operator" },
      identity,
      fieldManager: "tester",
      timing,
      clock: this.clock,
      now: () => new Date(wallClock.getTime() + this.clock.nowMs()),
      random: () => 0.5,
      logger: silentLogger,
    });
    void this.election.elected.then(() => (this.leads = true));
    this.election.run(this.stop.signal).then(
      () => (this.ended = "in order"),
      (error: LeadershipLostError) => (this.ended = error),
    );
  }

  get mayWrite(): boolean {
    return this.election.mayWrite();
  }

  #client(server: LeaseServer): Pick<KubeClient, "get" | "create" | "patch"> {
    const answer = async (signal: AbortSignal | undefined, work: () => Lease | undefined) => {
      if (this.trouble === "refused") throw new ConnectionError("lease: refused");
      if (this.trouble === "silent") {
        await new Promise((_, reject) =>
          signal?.addEventListener("abort", () => reject(new ConnectionError("lease: no answer"))),
        );
      }
      const done = work();
      this.beforeAnswer();
      if (this.trouble === "answers are lost") throw new ConnectionError("lease: the answer broke off");
      return structuredClone(done);
    };
    const client = {
      get: (_type: unknown, _ref: unknown, options?: { signal?: AbortSignal }) =>
        answer(options?.signal, () => server.lease),
      create: (_type: unknown, lease: Lease, { signal }: { signal?: AbortSignal }) =>
        answer(signal, () => {
          if (server.lease !== undefined) throw new ApiError("create Lease", 409, { reason: "AlreadyExists" });
          return server.write(lease.spec);
        }),
      patch: (_type: unknown, _ref: unknown, patch: KubeObject & Lease, { signal }: { signal?: AbortSignal }) =>
        answer(signal, () => {
          if (server.lease === undefined) throw new ApiError("patch Lease", 404, { reason: "NotFound" });
          if (patch.metadata?.resourceVersion !== server.lease.metadata?.resourceVersion) throw conflict();
          return server.write(patch.spec);
        }),
    };
    return client as unknown as Pick<KubeClient, "get" | "create" | "patch">;
  }
}

/** Lets everything happen that waits for no timer. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Lets so many seconds pass for each of them, in steps shorter than any period. */
async function pass(seconds: number, ...candidates: readonly Candidate[]): Promise<void> {
  await settled();
  for (let passed = 0; passed < seconds * 1000; passed += 100) {
    for (const { clock } of candidates) clock.advance(100);
    await settled();
  }
}

async function pair(): Promise<{ server: LeaseServer; a: Candidate; b: Candidate }> {
  const server = new LeaseServer();
  const a = new Candidate(server, "a");
  await settled();
  // Its wall clock is thirty years ahead.
  const b = new Candidate(server, "b", new Date("2000-01-01"));
  await settled();
  return { server, a, b };
}

describe("while all is well", () => {
  test("the first candidate leads and goes on, the second one waits and writes nothing", async () => {
    const { server, a, b } = await pair();
    await pass(120, a, b);
    expect([a.leads, a.mayWrite, a.ended]).toEqual([true, true, "no"]);
    expect([b.leads, b.mayWrite, b.ended]).toEqual([false, false, "no"]);
    expect(server.lease?.spec).toMatchObject({ holderIdentity: "a", leaseTransitions: 0, leaseDurationSeconds: 15 });
    expect(server.writes).toBe(1 + 60);
  });

  test("a leader that stops gives the lease back, and the next look of the other one takes it", async () => {
    const { server, a, b } = await pair();
    await pass(5, a, b);
    a.stop.abort();
    await settled();
    expect([a.ended, a.mayWrite, server.holder]).toEqual(["in order", false, ""]);
    await pass(2.4, b);
    expect([b.leads, b.mayWrite, server.holder]).toEqual([true, true, "b"]);
    expect(server.lease?.spec?.leaseTransitions).toBe(1);
  });

  test("a follower that stops leaves the lease alone", async () => {
    const { server, a, b } = await pair();
    const { writes } = server;
    b.stop.abort();
    await settled();
    expect([b.ended, server.holder, server.writes]).toEqual(["in order", "a", writes]);
    expect(a.mayWrite).toBe(true);
  });
});

describe("a leader that is gone", () => {
  test("is replaced when its record has not changed for the lease duration, and not before", async () => {
    const { server, a, b } = await pair();
    await pass(4, a, b);
    // Its last renewal was at four seconds; the other one saw that by its next look.
    await pass(14.9, b);
    expect(b.leads).toBe(false);
    await pass(5, b);
    expect([b.leads, server.holder]).toEqual([true, "b"]);
  });

  test.each([
    ["half as fast", 0.5, 1],
    ["a quarter faster than the leader's", 1, 0.8],
  ])("a candidate whose clock runs %s still finds nobody who may write", async (_sentence, mine, leaders) => {
    const { a, b } = await pair();
    await pass(4, a, b);
    a.trouble = "refused";
    for (let second = 0; second < 60 && !b.leads; second += 0.1) {
      a.clock.advance(100 * leaders);
      b.clock.advance(100 * mine);
      await settled();
    }
    expect([b.leads, a.mayWrite]).toEqual([true, false]);
  });
});

describe("a leader in trouble", () => {
  test.each<[string, Trouble]>([
    ["refuses connections", "refused"],
    ["never answers", "silent"],
    ["works, but no answer arrives", "answers are lost"],
  ])("gives up at the renew deadline when the API server %s", async (_sentence, trouble) => {
    const { a } = await pair();
    await pass(4, a);
    a.trouble = trouble;
    // The last renewal was at four seconds.
    await pass(9.9, a);
    expect([a.mayWrite, a.ended]).toEqual([true, "no"]);
    await pass(0.2, a);
    expect(a.mayWrite).toBe(false);
    expect(a.ended).toEqual(new LeadershipLostError("ns/operator", "it could not be renewed within 10 s"));
  });

  test("goes on when the API server was away for a shorter time", async () => {
    const { server, a, b } = await pair();
    await pass(4, a, b);
    a.trouble = "answers are lost";
    await pass(7, a, b);
    a.trouble = "none";
    await pass(60, a, b);
    expect([a.mayWrite, a.ended, b.leads, server.lease?.spec?.leaseTransitions]).toEqual([true, "no", false, 0]);
  });

  test("takes another look when somebody has edited its Lease", async () => {
    const { server, a, b } = await pair();
    server.version += 1;
    server.lease = { ...server.lease, metadata: { resourceVersion: `${server.version}`, labels: { edited: "yes" } } };
    await pass(30, a, b);
    expect([a.mayWrite, a.ended, b.leads]).toEqual([true, "no", false]);
  });

  test("makes the Lease anew when somebody has deleted it", async () => {
    const { server, a } = await pair();
    server.lease = undefined;
    await pass(5, a);
    expect([a.mayWrite, a.ended, server.holder]).toEqual([true, "no", "a"]);
  });

  test("ends as soon as it sees that another one holds the lease", async () => {
    const { server, a } = await pair();
    server.write({ holderIdentity: "intruder" });
    await pass(4.1, a);
    expect(a.ended).toEqual(new LeadershipLostError("ns/operator", "intruder holds it"));
    expect([a.mayWrite, server.holder]).toEqual([false, "intruder"]);
  });

  test("does not give back a lease that it has lost", async () => {
    const { server, a } = await pair();
    a.trouble = "refused";
    await pass(11, a);
    a.trouble = "none";
    a.stop.abort();
    await settled();
    expect(server.holder).toBe("a");
  });
});

describe("a process that was stopped", () => {
  test("may not write from its first moment on, and ends without touching the lease", async () => {
    const { server, a, b } = await pair();
    await pass(4, a, b);
    await pass(20, b);
    expect([b.leads, server.holder]).toEqual([true, "b"]);
    const { writes } = server;
    // All of the pause passes at once: nothing of it ran meanwhile.
    a.clock.advance(20_000);
    expect(a.mayWrite).toBe(false);
    await settled();
    expect(a.ended).toBeInstanceOf(LeadershipLostError);
    expect(server.writes).toBe(writes);
  });

  test("ends although nobody has taken its lease meanwhile", async () => {
    const { server, a } = await pair();
    await pass(4, a);
    const { writes } = server;
    a.clock.advance(20_000);
    await settled();
    expect(a.ended).toBeInstanceOf(LeadershipLostError);
    expect(server.writes).toBe(writes);
  });

  test("while its renewal was on its way: the lease counts from before it was sent", async () => {
    const { a } = await pair();
    a.beforeAnswer = () => a.clock.advance(10_000);
    await pass(2, a);
    expect(a.mayWrite).toBe(false);
    expect(a.ended).toBeInstanceOf(LeadershipLostError);
  });

  test("while it took the lease: it does not lead before it has renewed", async () => {
    const a = new Candidate(new LeaseServer(), "a");
    a.beforeAnswer = () => a.clock.advance(20_000);
    await settled();
    expect([a.leads, a.mayWrite]).toEqual([false, false]);
    a.beforeAnswer = () => undefined;
    await pass(2.4, a);
    expect([a.leads, a.mayWrite]).toEqual([true, true]);
  });
});

describe("candidates that come at the same time", () => {
  test.each([
    ["to no Lease", undefined],
    ["to one that was given back", { holderIdentity: "" }],
    ["to one that is over", { holderIdentity: "gone", leaseDurationSeconds: 15 }],
  ])("%s: exactly one leads", async (_sentence, spec) => {
    const server = new LeaseServer();
    if (spec !== undefined) server.write(spec);
    const all = ["a", "b", "c"].map((identity) => new Candidate(server, identity));
    await pass(20, ...all);
    expect(all.filter(({ mayWrite }) => mayWrite)).toHaveLength(1);
    expect(all.map(({ ended }) => ended)).toEqual(["no", "no", "no"]);
  });
});
