// The shapes that every part of the generic Kubernetes machinery shares: raw JSON objects, resource types, the client.

import type { ObjectMeta } from "kubernetes-types/meta/v1.js";

/** A Kubernetes object exactly as the API server sends it: plain JSON, dates as strings. */
export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: ObjectMeta;
}

/**
 * Names a kind of object and its REST path. `T` is the object's type; it exists only for the compiler.
 * @example const deployments: ResourceType<Deployment> = { apiVersion: "apps/v1", kind: "Deployment", plural: "deployments", namespaced: true };
 */
export interface ResourceType<T extends KubeObject> {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  /** How the API server merges the kind's maps and lists; needed only for kinds that are applied. */
  readonly structure?: Structure;
  /** Creating one asks a question and stores nothing: replicas that may not write create them too. */
  readonly review?: boolean;
  readonly example?: T;
}

/**
 * How server-side apply merges a value. What is not described: an object merges field by field, an array is replaced whole.
 * @example { fields: { conditions: { keys: ["type"] } } }
 */
export type Structure =
  /** Replaced as a whole. */
  | "atomic"
  /** An array of scalars, merged by value. */
  | "set"
  /** An object with fields of its own. */
  | { readonly fields: Readonly<Record<string, Structure>> }
  /** An array of objects that are told apart by the values of `keys`. `defaults` holds keys that may be left out. */
  | {
      readonly keys: readonly string[];
      readonly defaults?: Readonly<Record<string, string | number>>;
      readonly item?: Structure;
    };

/** What this folder logs through; a pino logger is one. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: object): Logger;
}

/** Addresses one object. `namespace` is absent for cluster-scoped kinds. */
export interface ObjectRef {
  readonly namespace?: string;
  readonly name: string;
}

export interface ListOptions {
  /** Absent: all namespaces. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Page size; the returned list's `metadata.continue` asks for the next page. */
  readonly limit?: number;
  readonly continue?: string;
  readonly resourceVersion?: string;
  readonly signal?: AbortSignal;
}

export interface ObjectList<T> {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: readonly T[];
}

export interface WatchOptions {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly resourceVersion: string;
  /** The server closes the watch after this long; the client gives up on a silent socket a little later. */
  readonly timeoutSeconds: number;
  readonly signal?: AbortSignal;
}

/** A watch event. `BOOKMARK` carries only `metadata.resourceVersion`; an `ERROR` event is thrown as `ApiError` instead. */
export interface WatchEvent<T> {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  readonly object: T;
}

export interface WriteOptions {
  /** `status` or `scale`; absent: the object itself. */
  readonly subresource?: "status" | "scale";
  /** Who owns the written fields. */
  readonly fieldManager: string;
  readonly signal?: AbortSignal;
}

export interface DeleteOptions {
  /** Preconditions: the delete fails with 409 unless the object still has them. */
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly propagationPolicy?: "Background" | "Foreground" | "Orphan";
  readonly signal?: AbortSignal;
}

/**
 * The API server as this program uses it. Every method throws `ApiError` for an answer that is not 2xx
 * and `ConnectionError` when no complete answer came; not found is `undefined` where the signature says so.
 */
export interface KubeClient {
  get<T extends KubeObject>(
    type: ResourceType<T>,
    ref: ObjectRef,
    options?: { subresource?: "status" | "scale"; signal?: AbortSignal },
  ): Promise<T | undefined>;
  /** One page. */
  list<T extends KubeObject>(type: ResourceType<T>, options?: ListOptions): Promise<ObjectList<T>>;
  /** Ends when the server closes the stream; throws when it breaks, stays silent too long, or reports an error such as 410. */
  watch<T extends KubeObject>(type: ResourceType<T>, options: WatchOptions): AsyncIterable<WatchEvent<T>>;
  create<T extends KubeObject>(type: ResourceType<T>, object: T, options: WriteOptions): Promise<T>;
  /** Server-side apply with `force=true`: the object holds exactly the fields that `fieldManager` wants to own. */
  apply<T extends KubeObject>(type: ResourceType<T>, object: T, options: WriteOptions): Promise<T>;
  /** JSON merge patch; put `metadata.resourceVersion` into it to make it conditional. */
  patch<T extends KubeObject>(type: ResourceType<T>, ref: ObjectRef, patch: object, options: WriteOptions): Promise<T>;
  /** `false` when there was nothing to delete. */
  delete<T extends KubeObject>(type: ResourceType<T>, ref: ObjectRef, options?: DeleteOptions): Promise<boolean>;
}
