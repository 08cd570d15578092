// What the operator's service account may do, as the API server sees it: equal to golden files, and every verb is used.

import { readFile } from "node:fs/promises";
import type { PolicyRule } from "kubernetes-types/rbac/v1.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import {
  apiServices,
  deployments,
  endpointSlices,
  horizontalPodAutoscalers,
  podDisruptionBudgets,
  secrets,
  services,
} from "../../operator/kube/resource-types.ts";
import type { KubeObject, ResourceType } from "../../operator/kube/types.ts";
import { operatorUser } from "../cluster/audit-log.ts";
import { installOperator } from "../cluster/install.ts";
import { asTester, inferenceServices, Stage } from "./stage.ts";
import { until } from "./until.ts";

const own = "plimsoll-system";
const watched = "vision";
const name = "plimsoll-external-metrics";
const apiService = "v1beta1.external.metrics.k8s.io";
const install = new URL("../../install/", import.meta.url);

/** Permissions that no request of the operator shows. */
const usedOtherwise: Readonly<Record<string, string>> = {
  "update inferenceservices/finalizers.serving.plimsoll.dev":
    "asked for by the admission plugin OwnerReferencesPermissionEnforcement, which is on here, at each child's creation",
  "list replicasets.apps": "when a roll-out has failed: the tests of roll-outs see that",
  "patch events.events.k8s.io": "for an event that repeats within minutes: kube.test.ts sees that on a real API server",
};

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.start("permissions");
  await stage.kubectl("create", "namespace", watched);
  await stage.kubectl("create", "namespace", own);
  // As left by an operator that ran outside the cluster; of the other address type, so that it has to go.
  await stage.client.create(
    endpointSlices,
    { metadata: { namespace: own, name }, addressType: "IPv6", endpoints: [], ports: [] },
    asTester,
  );
  await installOperator(stage.cluster, { watchNamespaces: [watched] });
});

afterAll(async () => {
  await stage?.stop();
});

/** One line for each resource with its verbs, as text. */
function linesOf(rules: readonly PolicyRule[]): string[] {
  const verbs = new Map<string, Set<string>>();
  for (const rule of rules) {
    for (const key of keysOf(rule)) verbs.set(key, new Set([...(verbs.get(key) ?? []), ...rule.verbs]));
  }
  return [...verbs].map(([key, of]) => `${key}: ${[...of].toSorted().join(", ")}`).toSorted();
}

function keysOf({ apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] }: PolicyRule): string[] {
  const named = resourceNames.length === 0 ? "" : ` named ${resourceNames.toSorted().join(", ")}`;
  const kinds = apiGroups.flatMap((group) => resources.map((resource) => `${kindOf(resource, group)}${named}`));
  return [...nonResourceURLs, ...kinds];
}

function kindOf(resource: string, group: string): string {
  return group === "" ? resource : `${resource}.${group}`;
}

/** What the API server says that a service account may do in a namespace, and cluster-wide. */
async function permissions(user: string, namespace: string): Promise<string[]> {
  const review = { apiVersion: "authorization.k8s.io/v1", kind: "SelfSubjectRulesReview", spec: { namespace } };
  const args = [
    "create",
    "--validate=false",
    "--filename=-",
    "--output=json",
    `--as=${user}`,
    "--as-group=system:authenticated",
  ];
  const { stdout, stderr } = await stage.cluster.kubectl(args, JSON.stringify(review));
  if (stdout === "") throw new Error(stderr);
  const { status } = JSON.parse(stdout) as { status: { resourceRules: PolicyRule[]; nonResourceRules: PolicyRule[] } };
  return linesOf([...status.resourceRules, ...status.nonResourceRules]);
}

/** Without what every service account may do. */
async function ownPermissions(namespace: string): Promise<string[]> {
  const everybody = await permissions("system:serviceaccount:default:nobody", namespace);
  return (await permissions(operatorUser, namespace)).filter((line) => !everybody.includes(line));
}

async function permissionsText(): Promise<string> {
  let text = "";
  for (const namespace of [watched, own, "kube-system", "default"]) {
    const what = namespace === "default" ? "any other namespace, which is to say cluster-wide" : namespace;
    text += `# ${what}\n${(await ownPermissions(namespace)).join("\n")}\n\n`;
  }
  return text;
}

async function rulesIn(file: string, kind: string): Promise<PolicyRule[]> {
  const documents = parseAllDocuments(await readFile(new URL(file, install), "utf8"));
  return documents
    .map((document) => document.toJS() as { kind: string; metadata: { name: string }; rules?: PolicyRule[] })
    .filter((object) => object.kind === kind && object.metadata.name !== "plimsoll-external-metrics-reader")
    .flatMap(({ rules = [] }) => rules);
}

describe("with listed namespaces", () => {
  test("the service account may do what the golden file says, and nothing cluster-wide but for external metrics", async () => {
    await expect(await permissionsText()).toMatchFileSnapshot("testdata/permissions-listed-namespaces.txt");
    const elsewhere = await ownPermissions("default");
    expect(elsewhere.every((line) => /^(apiservices|subjectaccessreviews)\./.test(line))).toBe(true);
  });

  test("no permission has a wildcard, and no Secret outside the operator's namespace can be read", async () => {
    for (const namespace of [watched, own, "kube-system", "default"]) {
      const lines = await ownPermissions(namespace);
      expect(lines.filter((line) => line.includes("*"))).toEqual([]);
      const ofSecrets = lines.filter((line) => line.startsWith("secrets"));
      expect(ofSecrets).toEqual(
        namespace === own ? ["secrets named plimsoll-external-metrics: get, patch", "secrets: create"] : [],
      );
    }
  });

  test("every verb is used", async () => {
    await useEverything();
    const rules = [
      ...(await rulesIn("operator.yaml", "ClusterRole")),
      ...(await rulesIn("operator.yaml", "Role")),
      ...(await rulesIn("listed-namespaces/namespace.yaml", "Role")),
    ];
    const granted = new Set(
      rules.flatMap(({ verbs, ...rule }) =>
        keysOf({ ...rule, resourceNames: [], verbs }).flatMap((kind) => verbs.map((verb) => `${verb} ${kind}`)),
      ),
    );
    const unused = async () => {
      const used = new Set((await stage.cluster.operatorRequests()).map((entry) => usedBy(entry)));
      return [...granted].filter((permission) => !used.has(permission) && usedOtherwise[permission] === undefined);
    };
    await until(async () => (await unused()).length === 0, { what: "every verb is used", timeoutSeconds: 150 }).catch(
      () => undefined,
    );
    expect(await unused()).toEqual([]);
    const forbidden = (await stage.cluster.operatorRequests()).filter(
      ({ responseStatus }) => responseStatus?.code === 403,
    );
    expect(forbidden.map(({ verb, requestURI }) => `${verb} ${requestURI}`)).toEqual([]);
  }, 400_000);
});

function usedBy({ verb, objectRef }: Awaited<ReturnType<Stage["cluster"]["operatorRequests"]>>[number]): string {
  const { resource = "", subresource, apiGroup = "" } = objectRef ?? {};
  return `${verb} ${kindOf(subresource === undefined ? resource : `${resource}/${subresource}`, apiGroup)}`;
}

/** What happens to an operator in its life: services come, change and step out of scaling, strangers and vandals interfere. */
async function useEverything(): Promise<void> {
  const predictor = { autoScaling: { metrics: [{ type: "RequestRate", target: 10 }] } };
  const apply = (service: string, changes: object = {}) => {
    const manifest = stage.manifest(service, { ...predictor, ...changes });
    return stage.apply({ ...manifest, metadata: { name: service, namespace: watched } });
  };
  await strangers();
  for (const service of ["scaled", "external", "no-deployment", "no-service", "no-hpa", "no-budget"])
    await apply(service);
  await exists(horizontalPodAutoscalers, "external-predictor");
  await apply("external", { autoScaling: { mode: "External" }, replicas: 1 });
  await exists(podDisruptionBudgets, "scaled-predictor");
  await apply("scaled", { minReplicas: 2 });
  for (const type of [services, deployments, podDisruptionBudgets] as ResourceType<KubeObject>[]) {
    await stage.client.delete(type, { namespace: watched, name: "scaled-predictor" });
    await exists(type, "scaled-predictor");
  }
  await until(() => stage.client.get(apiServices, { name: apiService }), { what: "external metrics are registered" });
  await stage.client.patch(secrets, { namespace: own, name }, { data: { "ca.key": "AAAA" } }, asTester);
  await stage.client.patch(
    services,
    { namespace: own, name },
    { spec: { ports: [{ port: 1, protocol: "TCP" }] } },
    asTester,
  );
  await stage.client.patch(
    apiServices,
    { name: apiService },
    { spec: { caBundle: null, insecureSkipTLSVerify: true } },
    asTester,
  );
  await apply("external", { autoScaling: { mode: "External" }, replicas: 2 });
  await until(async () => (await stage.client.get(inferenceServices, { namespace: watched, name: "scaled" }))?.status, {
    what: "a status",
  });
}

/** Objects of somebody else under the names that children would have. */
async function strangers(): Promise<void> {
  const metadata = (service: string) => ({ namespace: watched, name: `${service}-predictor` });
  const labels = { app: "stranger" };
  const template = { metadata: { labels }, spec: { containers: [{ name: "c", image: "none" }] } };
  const spec = { replicas: 0, selector: { matchLabels: labels }, template };
  await stage.client.create(deployments, { metadata: metadata("no-deployment"), spec }, asTester);
  await stage.client.create(services, { metadata: metadata("no-service"), spec: { ports: [{ port: 80 }] } }, asTester);
  const scaleTargetRef = { apiVersion: "apps/v1", kind: "Deployment", name: "elsewhere" };
  await stage.client.create(
    horizontalPodAutoscalers,
    { metadata: metadata("no-hpa"), spec: { maxReplicas: 1, scaleTargetRef } },
    asTester,
  );
  const budget = { selector: { matchLabels: labels }, maxUnavailable: 1 };
  await stage.client.create(podDisruptionBudgets, { metadata: metadata("no-budget"), spec: budget }, asTester);
}

async function exists(type: ResourceType<KubeObject>, child: string): Promise<void> {
  const look = async () => {
    const found = await stage.client.get(type, { namespace: watched, name: child });
    return found !== undefined && found.metadata?.deletionTimestamp === undefined;
  };
  await until(look, { what: `${type.kind} ${child}`, timeoutSeconds: 120 });
}

describe("people", () => {
  beforeAll(async () => {
    for (const role of ["view", "edit", "admin"]) {
      await stage.kubectl(
        "create",
        "rolebinding",
        role,
        `--clusterrole=${role}`,
        `--user=${role}er`,
        `--namespace=${watched}`,
      );
    }
  });

  test.each<[string, string, string, "yes" | "no"]>([
    ["viewer", "get", "inferenceservices", "yes"],
    ["viewer", "create", "inferenceservices", "no"],
    ["viewer", "get", "secrets", "no"],
    ["editer", "create", "inferenceservices", "yes"],
    ["editer", "patch", "inferenceservices/scale", "yes"],
    ["editer", "patch", "inferenceservices/status", "no"],
    ["adminer", "delete", "inferenceservices", "yes"],
    ["adminer", "patch", "inferenceservices/status", "no"],
  ])("as %s: %s %s? %s", async (user, verb, resource, answer) => {
    const [kind, subresource] = resource.split("/");
    const qualified = kind === "secrets" ? "secrets" : `${kind}.serving.plimsoll.dev`;
    const args = ["auth", "can-i", verb, qualified, `--as=${user}`, `--namespace=${watched}`];
    if (subresource !== undefined) args.push(`--subresource=${subresource}`);
    // The controller that aggregates roles may need a moment.
    await until(async () => (await stage.cluster.kubectl(args)).stdout.trim() === answer, {
      what: `the answer ${answer}`,
    });
  });
});

describe("in all namespaces", () => {
  test("the service account may do what the golden file says", async () => {
    await stage.kubectl("apply", "--server-side", `--filename=${new URL("all-namespaces.yaml", install).pathname}`);
    const role = new URL("listed-namespaces/namespace.yaml", install).pathname;
    await stage.kubectl("delete", `--namespace=${watched}`, `--filename=${role}`);
    await until(async () => (await ownPermissions("default")).length > 5, { what: "the permissions have changed" });
    await expect(await permissionsText()).toMatchFileSnapshot("testdata/permissions-all-namespaces.txt");
  });
});
