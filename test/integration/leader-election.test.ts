// Two replicas of the operator against a real control plane: one acts at a time, whatever becomes of it.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { leases, services } from "../../operator/kube/resource-types.ts";
import type { AuditEntry } from "../cluster/audit-log.ts";
import { OperatorProcess } from "./operator-process.ts";
import { namespace, Stage } from "./stage.ts";
import { until } from "./until.ts";

const leaseSeconds = 8;
const retrySeconds = 1;
/** Shorter than by default, so that tests see several leases; long enough for a machine that is busy. */
const election = [
  "--leader-elect",
  `--leader-elect-lease-duration=${leaseSeconds}`,
  "--leader-elect-renew-deadline=6",
  `--leader-elect-retry-period=${retrySeconds}`,
];
/** What a new leader may take for the rest: looking at the lease, reconciling, being seen by us. */
const marginSeconds = 10;

let stage: Stage;
let first: OperatorProcess;
let second: OperatorProcess;

beforeAll(async () => {
  stage = await Stage.start("leader-election");
  first = await startReplica(0);
  await leader();
  second = await startReplica(1);
  await stage.apply(stage.manifest("steady", { minReplicas: 2 }));
  await stage.condition("steady", "Ready", { status: "True" });
});

afterAll(async () => {
  await stage?.stop();
});

function startReplica(replica: number): Promise<OperatorProcess> {
  const { insidePrometheusAddress: prometheusAddress } = stage.cluster;
  return OperatorProcess.start(stage.cluster, { prometheusAddress, replica, flags: election });
}

/** The identity of whoever holds the lease, if it is not one of `others`. */
function leader(others: readonly string[] = [], timeoutSeconds = 60): Promise<string> {
  return until(
    async () => {
      const lease = await stage.client.get(leases, { namespace, name: "plimsoll-operator" });
      const holder = lease?.spec?.holderIdentity;
      return holder && !others.includes(holder) && holder;
    },
    { what: "a leader", timeoutSeconds },
  );
}

/** What a replica has changed in the cluster: all its writes but those of the lease and the questions that it asks. */
async function writesOf(identity: string): Promise<readonly AuditEntry[]> {
  const entries = await stage.cluster.auditLog();
  return entries.filter(
    ({ userAgent = "", objectRef }) =>
      userAgent.includes(identity) && !["leases", "subjectaccessreviews"].includes(objectRef?.resource ?? ""),
  );
}

async function isLeader(operator: OperatorProcess): Promise<boolean> {
  return (await operator.metric("leader_election_master_status")) === 1;
}

/** Somebody acts: a child that was deleted comes back. */
async function isReconciled(name: string, timeoutSeconds = 60): Promise<void> {
  const child = { namespace, name: `${name}-predictor` };
  const before = await until(() => stage.client.get(services, child), { what: `the Service of ${name}` });
  await stage.client.delete(services, child);
  await until(
    async () => {
      const now = await stage.client.get(services, child);
      return now !== undefined && now.metadata?.uid !== before.metadata?.uid;
    },
    { what: `the Service of ${name} is back`, timeoutSeconds },
  );
}

/** Nobody has asked for other replicas than the service began with. */
async function scaleWrites(): Promise<readonly AuditEntry[]> {
  const entries = await stage.cluster.auditLog();
  return entries.filter(({ objectRef }) => objectRef?.subresource === "scale" && objectRef.name === "steady-predictor");
}

describe("two replicas", () => {
  test("one acts, and both are ready and see the services", async () => {
    expect([await isLeader(first), await isLeader(second)]).toEqual([true, false]);
    const identity = await leader();
    expect((await writesOf(identity)).length).toBeGreaterThan(0);
    await second.ticks(5);
    const entries = await stage.cluster.auditLog();
    const writers = entries.filter(({ userAgent = "" }) => userAgent.startsWith("plimsoll-operator"));
    const agents = new Set(
      writers.filter(({ objectRef }) => objectRef?.resource !== "subjectaccessreviews").map((entry) => entry.userAgent),
    );
    expect([...agents]).toEqual([`plimsoll-operator (${identity})`]);
  });

  test("when the leader is killed, the other one leads within lease duration and retry period", async () => {
    const gone = await leader();
    await first.stop("SIGKILL");
    const next = await leader([gone], leaseSeconds + retrySeconds + marginSeconds);
    expect(await isLeader(second)).toBe(true);
    await isReconciled("steady");
    expect((await writesOf(next)).length).toBeGreaterThan(0);
    first = await startReplica(0);
  });

  test("when the leader ends in order, the other one leads at once", async () => {
    const gone = await leader();
    expect(await second.stop("SIGTERM")).toBe(0);
    // Given back by the time it has ended: no lease has to run out.
    const next = await leader([gone], leaseSeconds - retrySeconds);
    expect(next).not.toBe(gone);
    await isReconciled("steady");
    second = await startReplica(1);
  });

  test("a leader that was stopped for longer than its lease writes nothing when it goes on, and ends", async () => {
    const old = await leader();
    expect(await isLeader(first)).toBe(true);
    // Work is on its way when it is stopped, and more waits for it when it goes on.
    for (const name of ["busy-1", "busy-2", "busy-3"]) await stage.apply(stage.manifest(name));
    first.pause();
    await leader([old], leaseSeconds + retrySeconds + marginSeconds);
    await isReconciled("steady");
    await stage.apply(stage.manifest("busy-4"));
    const before = await writesOf(old);
    first.resume();
    expect(await first.ended()).toBe(1);
    expect(await first.log()).toContain("lost the lease default/plimsoll-operator");
    expect((await writesOf(old)).slice(before.length)).toEqual([]);
    await stage.condition("busy-4", "Ready", { status: "True" });
    first = await startReplica(0);
  });

  test("through all of this the replicas of a service never changed", async () => {
    expect(await scaleWrites()).toEqual([]);
    expect(await stage.replicas("steady")).toBe(2);
    await stage.condition("steady", "Ready", { status: "True" });
  });
});
