// For tests: an API server's objects in memory, with the rules that writers rely on.

import { isDeepStrictEqual } from "node:util";
import { ApiError } from "../kube/errors.ts";
import { keyOf, refOf } from "../kube/paths.ts";
import type { KubeClient, KubeObject, ObjectRef, ResourceType } from "../kube/types.ts";

type Json = Record<string, unknown>;

/**
 * Creates answer 409 when the object exists, patches when their resourceVersion is old. Only what the external
 * metrics server uses is there; anything else throws.
 */
export class InMemoryClient implements KubeClient {
  /** Verb and `Kind namespace/name` of every write, in order. */
  readonly writes: string[] = [];
  /** Called before each request; may throw, or change objects as another client would. */
  before: (verb: string, what: string) => void = () => undefined;
  /** Answers creates of kinds that are questions, such as a SubjectAccessReview. */
  readonly reviews = new Map<string, (object: KubeObject) => KubeObject | Promise<KubeObject>>();
  readonly #objects = new Map<string, KubeObject>();
  #version = 0;

  async get<T extends KubeObject>(type: ResourceType<T>, ref: ObjectRef): Promise<T | undefined> {
    const what = nameOf(type, ref);
    this.before("get", what);
    return structuredClone(this.#objects.get(what)) as T | undefined;
  }

  async create<T extends KubeObject>(type: ResourceType<T>, object: T): Promise<T> {
    const review = this.reviews.get(type.kind);
    if (review !== undefined) {
      this.before("create", type.kind);
      return (await review(object)) as T;
    }
    const what = nameOf(type, refOf(object));
    this.before("create", what);
    if (this.#objects.has(what)) throw failure(409, "AlreadyExists", what);
    this.writes.push(`create ${what}`);
    return this.#store(what, object, `uid-${this.#version}`);
  }

  async patch<T extends KubeObject>(type: ResourceType<T>, ref: ObjectRef, patch: object): Promise<T> {
    const what = nameOf(type, ref);
    this.before("patch", what);
    const present = this.#objects.get(what);
    if (present === undefined) throw failure(404, "NotFound", what);
    const version = (patch as KubeObject).metadata?.resourceVersion;
    if (version !== undefined && version !== present.metadata?.resourceVersion) throw failure(409, "Conflict", what);
    const merged = merge(present, patch) as T;
    if (isDeepStrictEqual(merged, present)) return merged;
    this.writes.push(`patch ${what}`);
    return this.#store(what, merged, present.metadata?.uid);
  }

  async delete<T extends KubeObject>(type: ResourceType<T>, ref: ObjectRef): Promise<boolean> {
    const what = nameOf(type, ref);
    this.before("delete", what);
    this.writes.push(`delete ${what}`);
    return this.#objects.delete(what);
  }

  list(): never {
    throw new Error("list is not expected here");
  }

  watch(): never {
    throw new Error("watch is not expected here");
  }

  apply(): never {
    throw new Error("apply is not expected here");
  }

  #store<T extends KubeObject>(what: string, object: T, uid: string | undefined): T {
    this.#version += 1;
    const metadata = { ...object.metadata, uid, resourceVersion: String(this.#version) };
    const stored = { ...structuredClone(object), metadata } as T;
    this.#objects.set(what, stored);
    return structuredClone(stored);
  }
}

function nameOf(type: ResourceType<KubeObject>, ref: ObjectRef): string {
  return `${type.kind} ${keyOf(ref)}`;
}

function failure(status: number, reason: string, what: string): ApiError {
  return new ApiError(what, status, { reason, message: reason });
}

/** JSON merge patch, RFC 7386. */
function merge(target: unknown, patch: unknown): unknown {
  if (patch === null || typeof patch !== "object" || Array.isArray(patch)) return patch;
  const merged: Json =
    target === null || typeof target !== "object" || Array.isArray(target) ? {} : { ...(target as Json) };
  for (const [key, value] of Object.entries(patch as Json)) {
    if (value === null) delete merged[key];
    else if (value !== undefined) merged[key] = merge(merged[key], value);
  }
  return merged;
}
