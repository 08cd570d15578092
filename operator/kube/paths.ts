// REST paths of Kubernetes resources.

import type { KubeObject, ObjectRef, ResourceType } from "./types.ts";

/** `/apis/apps/v1/namespaces/NS/deployments`, or without the namespace part when `namespace` is absent. */
export function collectionPath(type: ResourceType<KubeObject>, namespace?: string): string {
  const root = type.apiVersion.includes("/") ? "/apis" : "/api";
  const scope = type.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  return `${root}/${type.apiVersion}${scope}/${type.plural}`;
}

/** The path of one object. Throws when a namespaced kind lacks its namespace, or the name is empty or not a path segment. */
export function objectPath(type: ResourceType<KubeObject>, ref: ObjectRef, subresource?: string): string {
  if (type.namespaced && !ref.namespace) {
    throw new TypeError(`${type.kind} "${ref.name}": a namespace is required`);
  }
  // An empty name would address the whole collection, and a delete of it every object.
  if (ref.name === "" || ref.name === "." || ref.name === ".." || ref.name.includes("/")) {
    throw new TypeError(`${type.kind}: "${ref.name}" is not an object name`);
  }
  const suffix = subresource === undefined ? "" : `/${subresource}`;
  return `${collectionPath(type, ref.namespace)}/${encodeURIComponent(ref.name)}${suffix}`;
}

/** Where `object` lives, from its metadata. Throws when it has no name. */
export function refOf(object: KubeObject): ObjectRef {
  const { name, namespace } = object.metadata ?? {};
  if (name === undefined) throw new TypeError(`${object.kind ?? "object"}: metadata.name is required`);
  return namespace === undefined ? { name } : { namespace, name };
}

/** The key under which stores and queues know an object: `namespace/name`, or `name` for cluster-scoped kinds. */
export function keyOf(ref: ObjectRef): string {
  return ref.namespace === undefined ? ref.name : `${ref.namespace}/${ref.name}`;
}

/** The inverse of `keyOf`. */
export function refOfKey(key: string): ObjectRef {
  const slash = key.indexOf("/");
  return slash === -1 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** `?a=b&c=d`, or nothing; absent values are left out. */
export function queryString(parameters: Readonly<Record<string, string | number | boolean | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) query.set(name, String(value));
  }
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}
