// The local cluster itself: that it behaves as a cluster does, and that nothing of it is left afterwards.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import type { DeploymentList } from "kubernetes-types/apps/v1.js";
import type { NodeList, PodList } from "kubernetes-types/core/v1.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startCluster } from "../cluster/cluster.ts";
import { isAlive } from "../cluster/process-alive.ts";
import type { Cluster } from "../cluster/running-cluster.ts";
import { until } from "./until.ts";

const image = "test/web:1";
const fixtures = join(import.meta.dirname, "..", "cluster", "fixtures");
/** For everything that takes several steps of several controllers. */
const patient = { timeout: 60_000, interval: 200 };

let cluster: Cluster;
let volume: string;
beforeAll(async () => {
  volume = await mkdtemp(join(tmpdir(), "cluster-test-volume-"));
  await writeFile(join(volume, "model.txt"), "weights");
  cluster = await startCluster({
    name: "test",
    images: { [image]: [process.execPath, join(fixtures, "web-server.ts")] },
    scrapeIntervalSeconds: 1,
    log: console.log,
  });
});
afterAll(async () => {
  await cluster?.stop();
  await rm(volume, { recursive: true });
});

async function kubectl(...args: string[]): Promise<string> {
  const result = await cluster.kubectl(args);
  if (result.exitCode !== 0) throw new Error(`kubectl ${args.join(" ")}: ${result.stderr}`);
  return result.stdout;
}

async function getJson<T>(...args: string[]): Promise<T> {
  return JSON.parse(await kubectl("get", ...args, "-o", "json")) as T;
}

async function apply(...objects: object[]): Promise<void> {
  const list = { apiVersion: "v1", kind: "List", items: objects };
  const result = await cluster.kubectl(["apply", "-f", "-"], JSON.stringify(list));
  if (result.exitCode !== 0) throw new Error(result.stderr);
}

interface PodChanges {
  readonly pod?: object;
  readonly container?: object;
}

function deployment(name: string, replicas: number, { pod = {}, container = {} }: PodChanges = {}): object {
  const labels = {
    app: name,
    "serving.plimsoll.dev/inference-service": name,
    "serving.plimsoll.dev/revision": "r1",
  };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels },
        spec: {
          terminationGracePeriodSeconds: 2,
          containers: [
            {
              name: "web",
              image,
              ports: [{ name: "http", containerPort: 8080 }],
              env: [{ name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
              readinessProbe: { httpGet: { path: "/", port: "http" }, periodSeconds: 1 },
              ...container,
            },
          ],
          ...pod,
        },
      },
    },
  };
}

function service(name: string): object {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name },
    spec: { selector: { app: name }, ports: [{ name: "http", port: 80, targetPort: "http" }] },
  };
}

async function untilReady(name: string, replicas: number): Promise<void> {
  const ready = async () => {
    const { items } = await getJson<DeploymentList>("deployments", "--field-selector", `metadata.name=${name}`);
    return (items[0]?.status?.readyReplicas ?? 0) === replicas;
  };
  await until(ready, { what: `${replicas} ready replicas of ${name}` });
}

/** What a program in the cluster's network gets from `url`, or the code of its error. */
async function fetchInside(url: string): Promise<string> {
  const script = `fetch(${JSON.stringify(url)}).then((a) => a.text()).then(console.log, (e) => console.log(e.cause.code))`;
  const child = cluster.spawn([process.execPath, "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  return (await text(child.stdout!)).trim();
}

async function clusterIp(name: string): Promise<string> {
  return kubectl("get", "service", name, "-o", "jsonpath={.spec.clusterIP}");
}

describe("nodes", () => {
  test("a plain one and one with GPUs that others are kept away from", async () => {
    const { items } = await getJson<NodeList>("nodes");
    const seen = items.map(({ metadata, spec, status }) => ({
      name: metadata?.name,
      gpus: status?.allocatable?.["nvidia.com/gpu"],
      product: metadata?.labels?.["nvidia.com/gpu.product"],
      taints: (spec?.taints ?? []).map(({ key, effect }) => `${key}:${effect}`),
      ready: status?.conditions?.find(({ type }) => type === "Ready")?.status,
    }));
    expect(seen).toEqual([
      { name: "node-gpu", gpus: "2", product: "NVIDIA-L4", taints: ["nvidia.com/gpu:NoSchedule"], ready: "True" },
      { name: "node-plain", gpus: undefined, product: undefined, taints: [], ready: "True" },
    ]);
  });
});

describe("a Deployment with a Service", () => {
  beforeAll(async () => {
    await apply(deployment("web", 2), service("web"));
    await untilReady("web", 2);
  });

  test("is reached from inside, at the Service's address, and connections are spread over its pods", async () => {
    const address = await clusterIp("web");
    const script = `for (let i = 0; i < 8; i++) console.log(await (await fetch("http://${address}/")).text())`;
    const child = cluster.spawn([process.execPath, "--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const answers = (await text(child.stdout!)).trim().split("\n");
    const pods = (await getJson<PodList>("pods", "-l", "app=web")).items.map(({ metadata }) => metadata?.name ?? "");
    expect(answers).toHaveLength(8);
    expect([...new Set(answers)].toSorted()).toEqual(pods.toSorted());
  });

  test("is reached from a pod, by name", async () => {
    const gate = await cluster.forwardService({ namespace: "default", name: "web", port: 80 });
    const url = encodeURIComponent("http://web.default.svc/");
    const answer = await fetch(`http://${gate.host}:${gate.port}/fetch?url=${url}`);
    expect(await answer.text()).toMatch(/^web-/);
    await gate.close();
  });

  test("is reached from outside, by a loopback port until that is closed", async () => {
    const gate = await cluster.forwardService({ namespace: "default", name: "web", port: 80 });
    expect(await (await fetch(`http://${gate.host}:${gate.port}/`)).text()).toMatch(/^web-/);
    await gate.close();
    await expect(fetch(`http://${gate.host}:${gate.port}/`)).rejects.toThrow();
  });

  test("is reached from outside, through the API server", async () => {
    expect(await kubectl("get", "--raw", "/api/v1/namespaces/default/services/web:http/proxy/")).toMatch(/^web-/);
  });

  test("has logs", async () => {
    expect(await kubectl("logs", "deployment/web", "--tail=1")).toMatch(/^GET \//);
  });

  test("is scraped under the labels that the operator reads", async () => {
    const query = encodeURIComponent('web_up{namespace="default",inference_service="web",revision="r1",pod=~"web-.+"}');
    const count = async () => {
      const answer = await fetch(`${cluster.prometheusAddress}/api/v1/query?query=${query}`);
      return ((await answer.json()) as { data: { result: unknown[] } }).data.result.length;
    };
    await expect.poll(count, patient).toBe(2);
  });

  test("refuses connections while it has no pods, and answers again afterwards", async () => {
    const url = `http://${await clusterIp("web")}/`;
    await kubectl("scale", "deployment/web", "--replicas=0");
    await expect.poll(() => fetchInside(url), patient).toBe("ECONNREFUSED");
    await kubectl("scale", "deployment/web", "--replicas=1");
    await expect.poll(() => fetchInside(url), patient).toMatch(/^web-/);
  });

  test("refuses connections once the Service is deleted", async () => {
    await apply(service("doomed"), deployment("doomed", 1));
    const url = `http://${await clusterIp("doomed")}/`;
    await expect.poll(() => fetchInside(url), patient).toMatch(/^doomed-/);
    await kubectl("delete", "service/doomed");
    await expect.poll(() => fetchInside(url), patient).toBe("ECONNREFUSED");
    await kubectl("delete", "deployment/doomed");
  });
});

test("GPU pods take the two GPUs, and the third waits", async () => {
  const pod = {
    nodeSelector: { "nvidia.com/gpu.product": "NVIDIA-L4" },
    tolerations: [{ key: "nvidia.com/gpu", operator: "Exists", effect: "NoSchedule" }],
  };
  await apply(deployment("gpu", 3, { pod, container: { resources: { limits: { "nvidia.com/gpu": "1" } } } }));
  await untilReady("gpu", 2);
  const phases = async () => {
    const { items } = await getJson<PodList>("pods", "-l", "app=gpu");
    const unschedulable = items.filter(({ status }) =>
      status?.conditions?.some(({ type, reason }) => type === "PodScheduled" && reason === "Unschedulable"),
    );
    return { nodes: items.map(({ spec }) => spec?.nodeName ?? "none").toSorted(), waiting: unschedulable.length };
  };
  await expect.poll(phases, patient).toEqual({ nodes: ["node-gpu", "node-gpu", "none"], waiting: 1 });
  await kubectl("delete", "deployment/gpu");
});

test("a pod reads the files of its claim", async () => {
  const size = { storage: "1Gi" };
  const common = { accessModes: ["ReadOnlyMany"], storageClassName: "" };
  await apply(
    {
      apiVersion: "v1",
      kind: "PersistentVolume",
      metadata: { name: "models" },
      spec: { ...common, capacity: size, hostPath: { path: volume } },
    },
    {
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { name: "models" },
      spec: { ...common, volumeName: "models", resources: { requests: size } },
    },
    deployment("reader", 1, {
      pod: { volumes: [{ name: "models", persistentVolumeClaim: { claimName: "models", readOnly: true } }] },
      container: { volumeMounts: [{ name: "models", mountPath: "/mnt/pvc/models", readOnly: true }] },
    }),
    service("reader"),
  );
  await untilReady("reader", 1);
  const gate = await cluster.forwardService({ namespace: "default", name: "reader", port: 80 });
  const answer = await fetch(`http://${gate.host}:${gate.port}/file?path=/mnt/pvc/models/model.txt`);
  expect(await answer.text()).toBe("weights");
  await gate.close();
  await kubectl("delete", "deployment/reader");
});

test("a program inside reaches a server outside through a reversed port", async () => {
  const server = createServer((_request, response) => response.end("outside")).listen(0, "127.0.0.1");
  await once(server, "listening");
  const gate = await cluster.reverse({ port: (server.address() as AddressInfo).port, insidePort: 7000 });
  expect(await fetchInside(`http://${gate.host}:${gate.port}/`)).toBe("outside");
  await gate.close();
  expect(await fetchInside(`http://${gate.host}:${gate.port}/`)).toBe("ECONNREFUSED");
  server.close();
});

test("a port that is taken inside is refused with its name", async () => {
  await expect(cluster.reverse({ port: 9, insidePort: 9090 })).rejects.toThrow(/reverse: .*EADDRINUSE/);
});

test("a spawned program is killed like any child", async () => {
  const child = cluster.spawn(["sleep", "600"]);
  await once(child, "spawn");
  child.kill("SIGKILL");
  expect(await once(child, "exit")).toEqual([null, "SIGKILL"]);
});

test("the audit log has each write, once, with who and what", async () => {
  const writes = async () =>
    (await cluster.auditLog())
      .filter(({ objectRef }) => objectRef?.name === "counted")
      .map(({ verb, user, responseStatus }) => [verb, user.username, responseStatus?.code]);
  await kubectl("create", "configmap", "counted", "-n", "default");
  await kubectl("get", "configmap", "counted");
  await kubectl("delete", "configmap", "counted");
  expect(await writes()).toEqual([
    ["create", "plimsoll-admin", 201],
    ["delete", "plimsoll-admin", 200],
  ]);
});

test("the API server comes back on its data, and Services are served while it is away", async () => {
  await apply(deployment("web", 1), service("web"));
  await untilReady("web", 1);
  const url = `http://${await clusterIp("web")}/`;
  await cluster.restartApiServer(async () => {
    await expect(fetch(cluster.apiServerAddress)).rejects.toThrow();
    expect(await fetchInside(url)).toMatch(/^web-/);
  });
  expect(await kubectl("get", "deployments", "-o", "name")).toContain("deployment.apps/web");
  await kubectl("scale", "deployment/web", "--replicas=2");
  await untilReady("web", 2);
});

test("Prometheus can be stopped and started", async () => {
  const healthy = async () => (await fetch(`${cluster.prometheusAddress}/-/ready`)).status;
  await cluster.stopPrometheus();
  await expect(healthy()).rejects.toThrow();
  await cluster.startPrometheus();
  expect(await healthy()).toBe(200);
});

/** Control groups of a cluster, in whichever hierarchies they may lie. */
function controlGroups(directory: string): string[] {
  const root = "/sys/fs/cgroup";
  if (!existsSync(root)) return [];
  const folders = [root, ...readdirSync(root).map((name) => join(root, name))];
  return folders.map((folder) => join(folder, basename(directory))).filter((path) => existsSync(path));
}

function interfaces(): string {
  return execFileSync("ip", ["-brief", "link"], { encoding: "utf8" });
}

test("after stop, no process, folder, control group or interface is left", async () => {
  const before = interfaces();
  const doomed = await startCluster({ name: "stopped" });
  const pids = (await doomed.memory()).byProcess.map(({ pid }) => pid);
  expect(pids.length).toBeGreaterThan(7);
  await doomed.stop();
  expect(pids.filter(isAlive)).toEqual([]);
  expect(existsSync(doomed.directory)).toBe(false);
  expect(controlGroups(doomed.directory)).toEqual([]);
  expect(interfaces()).toBe(before);
});

test("after SIGKILL of the starter, no process, folder, control group or interface is left", async () => {
  const before = interfaces();
  const starter = spawn(process.execPath, [join(fixtures, "starter.ts")], { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: starter.stdout });
  const [line] = (await once(lines, "line")) as [string];
  const { directory, pids } = JSON.parse(line) as { directory: string; pids: number[] };
  expect(pids.length).toBeGreaterThan(7);
  starter.kill("SIGKILL");
  const left = () => ({
    processes: pids.filter(isAlive).length,
    folder: existsSync(directory),
    controlGroups: controlGroups(directory).length,
  });
  await expect.poll(left, patient).toEqual({ processes: 0, folder: false, controlGroups: 0 });
  expect(interfaces()).toBe(before);
});
