// The cache that a reflector fills: objects by key and by index, and listeners told of every change.

import { keyOf, refOf } from "./paths.ts";
import type { KubeObject } from "./types.ts";

/** Told of a change: `before` is absent for a new object, `after` for one that is gone. */
export type Listener<T> = (before: T | undefined, after: T | undefined) => void;

/** The values under which an object is found in an index. */
export type Indexer<T> = (object: T) => readonly string[];

export interface StoreOptions<T> {
  readonly indexers?: Readonly<Record<string, Indexer<T>>>;
  /** A listener's own failure; it never stops the cache or the other listeners. */
  readonly onListenerError: (error: unknown) => void;
}

/** What readers of a store may do with it. */
export interface Lister<T> {
  get(key: string): T | undefined;
  list(): readonly T[];
  /** Throws `TypeError` for an index that the store was not made with. */
  byIndex(index: string, value: string): readonly T[];
}

/** Objects of one kind, keyed `namespace/name`. Never change an object that comes out of it. */
export class Store<T extends KubeObject> implements Lister<T> {
  #objects = new Map<string, T>();
  #indexes: Map<string, Map<string, Set<string>>>;
  readonly #indexers: Readonly<Record<string, Indexer<T>>>;
  readonly #listeners = new Set<Listener<T>>();
  readonly #onListenerError: (error: unknown) => void;

  constructor({ indexers = {}, onListenerError }: StoreOptions<T>) {
    this.#indexers = indexers;
    this.#indexes = emptyIndexes(indexers);
    this.#onListenerError = onListenerError;
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  list(): readonly T[] {
    return [...this.#objects.values()];
  }

  byIndex(index: string, value: string): readonly T[] {
    const values = this.#indexes.get(index);
    if (values === undefined) throw new TypeError(`the store has no index ${JSON.stringify(index)}`);
    return [...(values.get(value) ?? [])].flatMap((key) => this.#objects.get(key) ?? []);
  }

  /** Returns a function that ends the subscription. Objects that are already there are not announced. */
  subscribe(listener: Listener<T>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Adds or replaces one object. */
  set(object: T): void {
    const key = keyOf(refOf(object));
    const before = this.#objects.get(key);
    if (before !== undefined) this.#unindex(key, before);
    this.#objects.set(key, object);
    this.#index(key, object);
    this.#announce(before, object);
  }

  /** Removes one object; `object` is its last known state. */
  delete(object: T): void {
    const key = keyOf(refOf(object));
    const before = this.#objects.get(key);
    if (before === undefined) return;
    this.#unindex(key, before);
    this.#objects.delete(key);
    this.#announce(object, undefined);
  }

  /**
   * Makes the store hold exactly `objects`, or, with a namespace, exactly these of that namespace. Readers see the old
   * or the new content, listeners only what differs.
   */
  replace(objects: readonly T[], namespace?: string): void {
    const before = this.#objects;
    const elsewhere = namespace === undefined ? [] : [...before].filter(([key]) => !key.startsWith(`${namespace}/`));
    this.#objects = new Map(elsewhere);
    for (const object of objects) this.#objects.set(keyOf(refOf(object)), object);
    this.#indexes = emptyIndexes(this.#indexers);
    for (const [key, object] of this.#objects) this.#index(key, object);
    for (const [key, old] of before) {
      if (!this.#objects.has(key)) this.#announce(old, undefined);
    }
    for (const [key, object] of this.#objects) {
      const old = before.get(key);
      if (!isSameVersion(old, object)) this.#announce(old, object);
    }
  }

  #announce(before: T | undefined, after: T | undefined): void {
    // An object deleted and made anew under the same name is two changes, not an edit.
    if (before !== undefined && after !== undefined && before.metadata?.uid !== after.metadata?.uid) {
      this.#announce(before, undefined);
      this.#announce(undefined, after);
      return;
    }
    for (const listener of this.#listeners) {
      try {
        listener(before, after);
      } catch (error) {
        this.#onListenerError(error);
      }
    }
  }

  #index(key: string, object: T): void {
    for (const [index, indexer] of Object.entries(this.#indexers)) {
      for (const value of indexer(object)) {
        const values = this.#indexes.get(index);
        const keys = values?.get(value);
        if (keys === undefined) values?.set(value, new Set([key]));
        else keys.add(key);
      }
    }
  }

  #unindex(key: string, object: T): void {
    for (const [index, indexer] of Object.entries(this.#indexers)) {
      const values = this.#indexes.get(index);
      for (const value of indexer(object)) {
        values?.get(value)?.delete(key);
        if (values?.get(value)?.size === 0) values.delete(value);
      }
    }
  }
}

/** Index by the UID of the controlling owner. */
export function controllerUid(object: KubeObject): readonly string[] {
  const controller = object.metadata?.ownerReferences?.find((owner) => owner.controller === true);
  return controller === undefined ? [] : [controller.uid];
}

function isSameVersion(before: KubeObject | undefined, after: KubeObject): boolean {
  return (
    before !== undefined &&
    before.metadata?.uid === after.metadata?.uid &&
    before.metadata?.resourceVersion === after.metadata?.resourceVersion
  );
}

function emptyIndexes(indexers: Readonly<Record<string, unknown>>): Map<string, Map<string, Set<string>>> {
  return new Map(Object.keys(indexers).map((index) => [index, new Map()]));
}
