// The Kubernetes API client: one method per verb, raw JSON in and out.

import { parseJson, readLines } from "./answer.ts";
import { ApiError, ConnectionError, isNotFound, type Status } from "./errors.ts";
import { collectionPath, objectPath, queryString, refOf } from "./paths.ts";
import { type Call, Transport, type TransportOptions } from "./transport.ts";
import type {
  DeleteOptions,
  KubeClient,
  KubeObject,
  ListOptions,
  ObjectList,
  ObjectRef,
  ResourceType,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from "./types.ts";

export type ClientOptions = TransportOptions;

/** A client that holds connections until `close`. */
export interface ClosableKubeClient extends KubeClient {
  /** The API server's minor version, such as 36 of v1.36.3. Throws like every other request. */
  minorVersion(signal?: AbortSignal): Promise<number>;
  close(): void;
}

// The server ends a watch by its own timeout; only a dead one is silent for longer.
const silenceMarginSeconds = 30;

/** Connects to the API server of the kubeconfig's current context. Throws `TypeError` when that names no cluster. */
export function createKubeClient(clientOptions: ClientOptions): ClosableKubeClient {
  const transport = new Transport(clientOptions);
  return {
    get: (type, ref, options) => get(transport, { type, ref, ...options }),
    list: (type, options) => list(transport, type, options),
    watch: (type, options) => watch(transport, type, options),
    create: (type, object, options) => create(transport, type, object, options),
    apply: (type, object, options) => apply(transport, type, object, options),
    patch: (type, ref, patch, options) => mergePatch(transport, { type, ref, patch }, options),
    delete: (type, ref, options) => remove(transport, type, ref, options),
    minorVersion: (signal) => minorVersion(transport, signal),
    close: () => transport.close(),
  };
}

async function minorVersion(transport: Transport, signal?: AbortSignal): Promise<number> {
  const attempted = "get the API server's version";
  const call = {
    verb: "get",
    resource: "version",
    method: "GET",
    path: "/version",
    idempotent: true,
    attempted,
    signal,
  };
  const { minor } = (await transport.request(call)) as { minor?: string };
  // Some distributions write "36+".
  const parsed = Number.parseInt(minor ?? "", 10);
  if (Number.isNaN(parsed)) throw new ConnectionError(`${attempted}: no minor version in the answer`);
  return parsed;
}

type Untyped = ResourceType<KubeObject>;

function describe(
  verb: string,
  type: Untyped,
  ref: Partial<ObjectRef>,
  subresource?: string,
): Pick<Call, "verb" | "resource" | "attempted"> {
  const where = [ref.namespace, ref.name].filter((part) => part !== undefined).join("/");
  return {
    verb,
    resource: subresource === undefined ? type.plural : `${type.plural}/${subresource}`,
    attempted: [verb, type.kind, where, subresource].filter(Boolean).join(" "),
  };
}

async function get<T extends KubeObject>(
  transport: Transport,
  {
    type,
    ref,
    subresource,
    signal,
  }: { type: ResourceType<T>; ref: ObjectRef; subresource?: string; signal?: AbortSignal },
): Promise<T | undefined> {
  try {
    const path = objectPath(type, ref, subresource);
    const answer = await transport.request({
      ...describe("get", type, ref, subresource),
      method: "GET",
      path,
      idempotent: true,
      signal,
    });
    return answer as T;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

async function list<T extends KubeObject>(
  transport: Transport,
  type: ResourceType<T>,
  options: ListOptions = {},
): Promise<ObjectList<T>> {
  const { namespace, signal, ...query } = options;
  const call = describe("list", type, namespace === undefined ? {} : { namespace });
  const path = collectionPath(type, namespace) + queryString(query);
  const answer = (await transport.request({ ...call, method: "GET", path, idempotent: true, signal })) as ObjectList<T>;
  if (!Array.isArray(answer.items) || typeof answer.metadata?.resourceVersion !== "string") {
    throw new ConnectionError(`${call.attempted}: the answer is not a list`);
  }
  return { metadata: answer.metadata, items: answer.items.map((item) => named(type, item)) };
}

/** Items of built-in lists come without `apiVersion` and `kind`, watched objects with them; callers see one shape. */
function named<T extends KubeObject>(type: ResourceType<T>, item: T): T {
  return { apiVersion: type.apiVersion, kind: type.kind, ...item };
}

async function* watch<T extends KubeObject>(
  transport: Transport,
  type: ResourceType<T>,
  options: WatchOptions,
): AsyncGenerator<WatchEvent<T>> {
  const { namespace, signal, ...query } = options;
  const call = describe("watch", type, namespace === undefined ? {} : { namespace });
  const path = collectionPath(type, namespace) + queryString({ watch: true, allowWatchBookmarks: true, ...query });
  const response = await transport.open({ ...call, method: "GET", path, idempotent: true, signal });
  const lines = readLines(response, {
    attempted: call.attempted,
    maxLineBytes: transport.maxAnswerBytes,
    silenceMs: (options.timeoutSeconds + silenceMarginSeconds) * 1000,
    clock: transport.clock,
  });
  try {
    for await (const line of lines) yield parseWatchEvent(type, line, call.attempted);
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

function parseWatchEvent<T extends KubeObject>(type: ResourceType<T>, line: string, attempted: string): WatchEvent<T> {
  const event = parseJson(line, attempted) as { type?: string; object?: T & Status };
  if (event.object === undefined) throw new ConnectionError(`${attempted}: an event carries no object`);
  switch (event.type) {
    case "ADDED":
    case "MODIFIED":
    case "DELETED":
    case "BOOKMARK":
      return { type: event.type, object: named(type, event.object) };
    case "ERROR":
      throw new ApiError(attempted, event.object.code ?? 500, event.object);
    default:
      throw new ConnectionError(`${attempted}: unknown event type ${JSON.stringify(event.type)}`);
  }
}

async function create<T extends KubeObject>(
  transport: Transport,
  type: ResourceType<T>,
  object: T,
  { fieldManager, signal }: WriteOptions,
): Promise<T> {
  const { namespace } = object.metadata ?? {};
  if (type.namespaced && !namespace) throw new TypeError(`create ${type.kind}: metadata.namespace is required`);
  const answer = await transport.request({
    ...describe("create", type, object.metadata ?? {}),
    method: "POST",
    path: collectionPath(type, namespace) + queryString({ fieldManager }),
    idempotent: false,
    asks: type.review === true,
    body: named(type, object),
    signal,
  });
  return answer as T;
}

async function apply<T extends KubeObject>(
  transport: Transport,
  type: ResourceType<T>,
  object: T,
  { subresource, fieldManager, signal }: WriteOptions,
): Promise<T> {
  const ref = refOf(object);
  const answer = await transport.request({
    ...describe("apply", type, ref, subresource),
    method: "PATCH",
    path: objectPath(type, ref, subresource) + queryString({ fieldManager, force: true }),
    idempotent: true,
    // JSON is YAML, and the media type of server-side apply that every supported version knows.
    contentType: "application/apply-patch+yaml",
    body: named(type, object),
    signal,
  });
  return answer as T;
}

async function mergePatch<T extends KubeObject>(
  transport: Transport,
  { type, ref, patch }: { type: ResourceType<T>; ref: ObjectRef; patch: object },
  { subresource, fieldManager, signal }: WriteOptions,
): Promise<T> {
  const answer = await transport.request({
    ...describe("patch", type, ref, subresource),
    method: "PATCH",
    path: objectPath(type, ref, subresource) + queryString({ fieldManager }),
    idempotent: true,
    contentType: "application/merge-patch+json",
    body: patch,
    signal,
  });
  return answer as T;
}

async function remove(
  transport: Transport,
  type: Untyped,
  ref: ObjectRef,
  { uid, resourceVersion, propagationPolicy, signal }: DeleteOptions = {},
): Promise<boolean> {
  const preconditions = {
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
  try {
    await transport.request({
      ...describe("delete", type, ref),
      method: "DELETE",
      path: objectPath(type, ref),
      // Repeated after a lost answer, it would say that there was nothing to delete.
      idempotent: false,
      body: {
        apiVersion: "v1",
        kind: "DeleteOptions",
        preconditions,
        ...(propagationPolicy === undefined ? {} : { propagationPolicy }),
      },
      signal,
    });
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}
