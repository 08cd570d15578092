// Makes an object what it should be, and writes nothing when it is so already.

import type { OwnerReference } from "kubernetes-types/meta/v1.js";
import { hashOf } from "./canonical-json.ts";
import { ApiError, ConflictError, isAlreadyExists, isConflict, NotControlledError } from "./errors.ts";
import { difference, type FieldTree, fieldSetDigest, fieldSetOf, union } from "./field-set.ts";
import { entryOf, fieldsOf, type Owner, ownershipDigest } from "./managed-fields.ts";
import { keyOf, refOf } from "./paths.ts";
import type { KubeClient, KubeObject, ResourceType } from "./types.ts";

export interface ApplyResult<T> {
  readonly outcome: "created" | "configured" | "unchanged";
  /** The object as the API server has it; with `unchanged`, mostly the `live` that was given. */
  readonly object: T;
}

export interface ApplyOwnedOptions<T extends KubeObject> {
  readonly client: KubeClient;
  readonly type: ResourceType<T>;
  /** Everything that `fieldManager` wants to own. A controlling owner reference in it guards against taking over a stranger's object. */
  readonly desired: T;
  /** Fields for the create request only, such as `{ spec: { replicas: 3 } }`: afterwards they belong to whoever writes them. */
  readonly createOnly?: object;
  /** What the cache has; may be outdated, and may hold digests of managedFields (`compact`) if they include both managers. */
  readonly live: T | undefined;
  readonly fieldManager: string;
  /** Sends the create request. Its share of the fields passes to `fieldManager` right afterwards. */
  readonly createFieldManager: string;
  /** Key of the annotation that remembers what was applied, such as `serving.plimsoll.dev/applied-hash`. */
  readonly hashAnnotation: string;
  readonly signal?: AbortSignal;
}

const takeOverTries = 5;

/**
 * Creates the object or applies it, with as few writes as possible: none when the live object was made from the same
 * `desired` and `fieldManager` still owns exactly these fields, so an edit by anybody else is noticed and undone, and a
 * field that only others own is left alone.
 *
 * Throws `NotControlledError` when the object exists under another controller, and errors that `isConflict` knows when
 * the cache was behind, or the object is on its way out.
 */
export async function applyOwned<T extends KubeObject>(options: ApplyOwnedOptions<T>): Promise<ApplyResult<T>> {
  const desired = stamped(options);
  if (options.live !== undefined) return applyToLive(options, desired, options.live);
  const created = await create(options, desired);
  if (created !== undefined) return { outcome: "created", object: created };
  const live = await readBack(options);
  return applyToLive(options, desired, live);
}

/** Undefined when the object exists, be it because the cache is behind or because it belongs to somebody else. */
async function create<T extends KubeObject>(options: ApplyOwnedOptions<T>, desired: T): Promise<T | undefined> {
  const { client, type, createOnly, createFieldManager } = options;
  let created: T;
  try {
    const complete = merged(desired, createOnly ?? {}) as T;
    created = await client.create(type, complete, { fieldManager: createFieldManager, ...signalOf(options) });
  } catch (error) {
    if (isAlreadyExists(error)) return undefined;
    throw error;
  }
  // The create request wrote exactly `desired`, so that is what passes over, without the defaults that came with it.
  return takeOver(options, created, () => fieldSetOf(desired, type.structure));
}

async function applyToLive<T extends KubeObject>(
  options: ApplyOwnedOptions<T>,
  desired: T,
  cached: T,
): Promise<ApplyResult<T>> {
  const { client, type, fieldManager, hashAnnotation, createFieldManager } = options;
  assertMayWrite(desired, cached);
  let live = cached;
  let wrote = false;
  if (entryOf(live, creator(createFieldManager)) !== undefined) {
    // We stopped between the create request and the take-over. What was created then may differ from what is desired now.
    const fresh = await readBack(options);
    assertMayWrite(desired, fresh);
    const createOnlyFields = fieldSetOf(options.createOnly ?? {}, type.structure);
    live = await takeOver(options, fresh, (fields) => difference(fields, createOnlyFields));
    // An outdated cache may show a take-over as missing that has long been made.
    wrote = live !== fresh;
  }
  const sameContent = live.metadata?.annotations?.[hashAnnotation] === desired.metadata?.annotations?.[hashAnnotation];
  const expected = fieldSetDigest(fieldSetOf(desired, type.structure));
  if (sameContent && ownershipDigest(live, applier(fieldManager)) === expected) {
    return { outcome: wrote ? "configured" : "unchanged", object: live };
  }
  try {
    const object = await client.apply(type, withUid(desired, live), { fieldManager, ...signalOf(options) });
    return { outcome: "configured", object };
  } catch (error) {
    if (!isOtherUid(error)) throw error;
    throw new ConflictError(`${type.kind} ${keyOf(refOf(desired))} was made anew a moment ago`, { cause: error });
  }
}

/** The API server calls an outdated UID an invalid one, as if a person had written it. */
function isOtherUid(error: unknown): boolean {
  return error instanceof ApiError && error.causes.some(({ field }) => field === "metadata.uid");
}

/**
 * Moves the creator's fields to `fieldManager`. Otherwise the creator would own them for ever, and a field left out of
 * a later apply would stay. `share` says which of the creator's fields pass over; the others are left to nobody.
 */
async function takeOver<T extends KubeObject>(
  options: ApplyOwnedOptions<T>,
  first: T,
  share: (fields: FieldTree) => FieldTree,
): Promise<T> {
  const { client, type, fieldManager, createFieldManager } = options;
  let live = first;
  for (let tried = 1; ; tried += 1) {
    const created = entryOf(live, creator(createFieldManager));
    if (created === undefined) return live;
    const applied = entryOf(live, applier(fieldManager));
    const passed = share(fieldsOf(created));
    const fieldsV1 = applied === undefined ? passed : union(passed, fieldsOf(applied));
    const others = (live.metadata?.managedFields ?? []).filter((entry) => entry !== created && entry !== applied);
    const managedFields = [{ ...created, manager: fieldManager, operation: "Apply", fieldsV1 }, ...others];
    // Overwriting the list is safe only while nobody else has changed it.
    const patch = { metadata: { resourceVersion: live.metadata?.resourceVersion, managedFields } };
    try {
      return await client.patch(type, refOf(live), patch, { fieldManager, ...signalOf(options) });
    } catch (error) {
      // Kubernetes' own controllers write into a new object at once; they do not touch these entries.
      if (!isConflict(error) || tried === takeOverTries) throw error;
      live = await readBack(options);
    }
  }
}

async function readBack<T extends KubeObject>(options: ApplyOwnedOptions<T>): Promise<T> {
  const { client, type, desired } = options;
  const ref = refOf(desired);
  const live = await client.get(type, ref, signalOf(options));
  if (live === undefined) throw new ConflictError(`${type.kind} ${keyOf(ref)} was deleted a moment ago`);
  return live;
}

function assertMayWrite(desired: KubeObject, live: KubeObject): void {
  const object = `${desired.kind} ${keyOf(refOf(desired))}`;
  const wanted = controllerOf(desired);
  const present = controllerOf(live);
  if (wanted !== undefined && wanted.uid !== present?.uid) {
    // Its owner was deleted and made anew under the same name: the garbage collector is on its way.
    if (present !== undefined && nameOf(present) === nameOf(wanted)) {
      throw new ConflictError(
        `${object} belongs to an earlier ${wanted.kind} ${wanted.name} and is still to be collected`,
      );
    }
    throw new NotControlledError(object, present && `${present.kind} ${present.name} (uid ${present.uid})`);
  }
  // Writing into it would not save it, and a new one cannot be made before it is gone.
  if (live.metadata?.deletionTimestamp !== undefined) throw new ConflictError(`${object} is being deleted`);
}

function nameOf({ apiVersion, kind, name }: OwnerReference): string {
  return `${apiVersion} ${kind} ${name}`;
}

function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata?.ownerReferences?.find((owner) => owner.controller === true);
}

function stamped<T extends KubeObject>({ desired, hashAnnotation }: ApplyOwnedOptions<T>): T {
  const annotations = { ...desired.metadata?.annotations, [hashAnnotation]: hashOf(desired) };
  return { ...desired, metadata: { ...desired.metadata, annotations } };
}

/** With the UID the API server refuses to write into, or make, another object of the same name. */
function withUid<T extends KubeObject>(desired: T, live: T): T {
  const { uid } = live.metadata ?? {};
  return uid === undefined ? desired : { ...desired, metadata: { ...desired.metadata, uid } };
}

function applier(manager: string): Owner {
  return { manager, operation: "Apply" };
}

function creator(manager: string): Owner {
  return { manager, operation: "Update" };
}

function signalOf({ signal }: { readonly signal?: AbortSignal }): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

/** `base` with the fields of `extra` laid over it; arrays are replaced. */
function merged(base: object, extra: object): object {
  const result: Record<string, unknown> = { ...base };
  for (const [name, value] of Object.entries(extra)) {
    const below = result[name];
    result[name] = isPlainObject(below) && isPlainObject(value) ? merged(below, value) : value;
  }
  return result;
}

function isPlainObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
