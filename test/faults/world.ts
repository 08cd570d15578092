// Everything in a namespace, made comparable: what differs from run to run by its nature is masked, and nothing else.

import type { KubeClient, KubeObject, ResourceType } from "../../operator/kube/types.ts";
import type { Cluster } from "../cluster/running-cluster.ts";

/** An object as the oracle compares it, by `resource/name`. */
export type World = Readonly<Record<string, unknown>>;

/**
 * What the operator is not asked to leave equal: events tell what happened and are written at best effort; a lease says
 * who leads; the rest Kubernetes puts into every namespace by itself.
 */
const leftOut: ReadonlySet<string> = new Set([
  "events",
  "events.events.k8s.io",
  "leases.coordination.k8s.io",
  "serviceaccounts",
]);

/** Every kind of object that a namespace of this cluster can hold. */
export async function namespacedTypes(cluster: Cluster): Promise<readonly ResourceType<KubeObject>[]> {
  const args = ["api-resources", "--namespaced", "--verbs=list", "--no-headers"];
  const { exitCode, stdout, stderr } = await cluster.kubectl(args);
  // The external metrics' own API is away whenever no operator runs; kubectl lists the others all the same.
  if (exitCode !== 0 && !stderr.includes("external.metrics.k8s.io")) throw new Error(`kubectl: ${stderr}`);
  const types = stdout.trimEnd().split("\n").map(typeOf);
  return types.filter(({ plural, apiVersion }) => {
    const group = apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
    return !leftOut.has(group === "" ? plural : `${plural}.${group}`) && group !== "external.metrics.k8s.io";
  });
}

/** A line of `kubectl api-resources`: name, short names if there are any, version, namespaced, kind. */
function typeOf(line: string): ResourceType<KubeObject> {
  const columns = line.split(/\s+/);
  const [kind = "", , apiVersion = ""] = columns.toReversed();
  return { plural: columns[0] ?? "", apiVersion, kind, namespaced: true };
}

/** The objects of a namespace, normalised. */
export async function worldOf(
  client: KubeClient,
  types: readonly ResourceType<KubeObject>[],
  namespace: string,
): Promise<World> {
  const objects = await Promise.all(
    types.map(async (type) => {
      const { items } = await client.list(type, { namespace });
      return items.map((object) => [`${type.plural}/${object.metadata?.name}`, object] as const);
    }),
  );
  const present = objects.flat().filter(([name]) => name !== "configmaps/kube-root-ca.crt");
  const names = new Map(present.map(([name, { metadata }]) => [metadata?.uid ?? "", name]));
  const sorted = present.toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(sorted.map(([name, object]) => [name, normalised(object, { names, namespace })]));
}

const uuid = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/;
/** Given by the API server, or a hash over something that is. */
const generated: ReadonlySet<string> = new Set([
  "clusterIP",
  "clusterIPs",
  "serving.plimsoll.dev/applied-hash",
  "kubectl.kubernetes.io/last-applied-configuration",
]);
const unsaid: ReadonlySet<string> = new Set([
  "uid",
  "resourceVersion",
  "creationTimestamp",
  "generation",
  "managedFields",
]);

/** What is called the same in every run. */
interface Names {
  /** By UID: that of an object which does not exist stays, and so differs. */
  readonly names: ReadonlyMap<string, string>;
  readonly namespace: string;
}

function normalised(object: KubeObject, names: Names): unknown {
  const { metadata = {} } = object;
  const kept = Object.fromEntries(Object.entries(metadata).filter(([name]) => !unsaid.has(name)));
  const content = new Mask(names, metadata.generation).value({ ...object, metadata: kept }) as object;
  const owners = (metadata.managedFields ?? []).map(
    ({ manager, operation, subresource = "", fieldsV1 }) =>
      [`${manager} ${operation} ${subresource}`.trim(), ownedFields(fieldsV1 ?? {})] as const,
  );
  return { ...content, owners: Object.fromEntries(owners.toSorted(([a], [b]) => (a < b ? -1 : 1))) };
}

class Mask {
  readonly #names: Names;
  readonly #generation: number | undefined;

  constructor(names: Names, generation: number | undefined) {
    this.#names = names;
    this.#generation = generation;
  }

  value(value: unknown): unknown {
    if (typeof value === "string") return this.#text(value);
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return this.#list(value);
    const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(entries.map(([name, inner]) => [name, this.#field(name, inner)]));
  }

  #text(text: string): string {
    if (time.test(text)) return "TIME";
    const { names, namespace } = this.#names;
    const withNames = text.replaceAll(uuid, (found) => (names.has(found) ? `UID OF ${names.get(found)}` : found));
    return withNames.replaceAll(namespace, "NAMESPACE");
  }

  #field(name: string, value: unknown): unknown {
    if (generated.has(name)) return "GENERATED";
    if (name === "observedGeneration") return value === this.#generation ? "CURRENT" : "BEHIND";
    // What happened is not what is: a change whose maker died before it was written down is missing.
    if (name === "lastChanges") return "HISTORY";
    return this.value(value);
  }

  /** Conditions come in the order in which they were first written. */
  #list(list: readonly unknown[]): unknown[] {
    const items = list.map((item) => this.value(item));
    const typed = items.filter(
      (item): item is { type: string } => typeof (item as { type?: unknown } | null)?.type === "string",
    );
    return typed.length === items.length ? typed.toSorted((a, b) => (a.type < b.type ? -1 : 1)) : items;
  }
}

/** The owned fields of FieldsV1 by path, whatever their order. */
function ownedFields(tree: object): Readonly<Record<string, "owned">> {
  return Object.fromEntries(
    leavesOf(tree)
      .toSorted()
      .map((path) => [path, "owned"]),
  );
}

function leavesOf(tree: object, path = ""): readonly string[] {
  const entries = Object.entries(tree) as [string, object][];
  if (entries.length === 0) return [path];
  return entries.flatMap(([element, child]) => leavesOf(child, `${path}/${stable(element)}`));
}

/** UIDs are keys of the list of owners. */
function stable(element: string): string {
  return element.replaceAll(uuid, "UID");
}

/** What differs, a line each, for people: `deployments/a spec.replicas: 1 instead of 3`. */
export function differences(actual: unknown, wanted: unknown, path = ""): readonly string[] {
  if (JSON.stringify(actual) === JSON.stringify(wanted)) return [];
  if (isRecord(actual) && isRecord(wanted)) {
    const keys = [...new Set([...Object.keys(actual), ...Object.keys(wanted)])];
    return keys.flatMap((key) => differences(actual[key], wanted[key], path === "" ? key : `${path} ${key}`));
  }
  return [`${path}: ${brief(actual)} instead of ${brief(wanted)}`];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 300 ? `${text.slice(0, 300)}...` : text;
}
