// Which fields an applied object owns, in the form in which the API server keeps it in managedFields (FieldsV1).

import { canonicalJson, hashOf } from "./canonical-json.ts";
import type { KubeObject, Structure } from "./types.ts";

/**
 * A set of fields as a tree. A node is owned itself when it is empty or has the child `.`.
 * @example { "f:spec": { "f:ports": { 'k:{"port":80}': { ".": {}, "f:port": {} } } } }
 */
export interface FieldTree {
  readonly [element: string]: FieldTree;
}

const owned: FieldTree = {};

/** Fields that say which object is meant or that the API server writes; nobody owns them. */
const unownedMetadata: ReadonlySet<string> = new Set([
  "name",
  "namespace",
  "uid",
  "resourceVersion",
  "generation",
  "creationTimestamp",
  "selfLink",
  "managedFields",
]);

/** The fields that a server-side apply of `object` owns. */
export function fieldSetOf(object: KubeObject, structure: Structure | undefined): FieldTree {
  const { apiVersion: _, kind: __, metadata = {}, ...content } = object;
  const ownMetadata = Object.fromEntries(Object.entries(metadata).filter(([name]) => !unownedMetadata.has(name)));
  const applied = Object.keys(ownMetadata).length === 0 ? content : { ...content, metadata: ownMetadata };
  return nodeOf(applied, structure) ?? {};
}

/** A text that is the same for equal sets; key order and escaping of the API server do not matter. */
export function fieldSetDigest(tree: FieldTree): string {
  return hashOf(normalized(tree));
}

/** The fields of `tree` that are not in `removed`. */
export function difference(tree: FieldTree, removed: FieldTree): FieldTree {
  return subtract(normalized(tree), normalized(removed));
}

/** The fields of either. */
export function union(a: FieldTree, b: FieldTree): FieldTree {
  return merge(normalized(a), normalized(b));
}

/** The node for a value, or undefined when the value owns nothing: an empty list that is merged item by item. */
function nodeOf(value: unknown, structure: Structure | undefined): FieldTree | undefined {
  if (typeof value !== "object" || value === null || structure === "atomic") return owned;
  if (Array.isArray(value)) return listNode(value, structure);
  const entries = Object.entries(value).filter(([, child]) => child !== undefined);
  if (entries.length === 0) return owned;
  const fields = typeof structure === "object" && "fields" in structure ? structure.fields : {};
  return collect(entries.map(([name, child]) => [`f:${name}`, nodeOf(child, fieldOf(fields, name))]));
}

function listNode(items: readonly unknown[], structure: Structure | undefined): FieldTree | undefined {
  if (structure === "set") return collect(items.map((item) => [`v:${JSON.stringify(item)}`, owned]));
  if (typeof structure !== "object" || !("keys" in structure)) return owned;
  return collect(
    items.map((item) => {
      const node = nodeOf(item, structure.item) ?? {};
      const element = `k:${canonicalJson(itemKey(item, structure))}`;
      return [element, node === owned ? owned : { ".": owned, ...node }];
    }),
  );
}

/** The key fields of a list's item with their values, defaults filled in. */
export function itemKey(
  item: unknown,
  structure: Extract<Structure, { keys: readonly string[] }>,
): Record<string, unknown> {
  const fields = item as Readonly<Record<string, unknown>>;
  return Object.fromEntries(structure.keys.map((key) => [key, fields[key] ?? structure.defaults?.[key]]));
}

/** Own fields only: a label named `constructor` must not find Object's. */
export function fieldOf(fields: Readonly<Record<string, Structure>>, name: string): Structure | undefined {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

function collect(children: readonly (readonly [string, FieldTree | undefined])[]): FieldTree | undefined {
  const present = children.filter((child): child is [string, FieldTree] => child[1] !== undefined);
  return present.length === 0 ? undefined : Object.fromEntries(present);
}

/** The API server escapes characters inside keys and values in a way of its own. */
function normalized(tree: FieldTree): FieldTree {
  return Object.fromEntries(
    Object.entries(tree).map(([element, child]) => {
      const kind = element.slice(0, 2);
      const same = kind === "k:" || kind === "v:" ? kind + canonicalJson(JSON.parse(element.slice(2))) : element;
      return [same, normalized(child)];
    }),
  );
}

function merge(a: FieldTree, b: FieldTree): FieldTree {
  const merged: Record<string, FieldTree> = { ...a };
  for (const [element, child] of Object.entries(b)) {
    const other = a[element];
    merged[element] = other === undefined || element === "." ? child : unmarked(merge(marked(other), marked(child)));
  }
  return merged;
}

function subtract(tree: FieldTree, removed: FieldTree): FieldTree {
  const left = Object.entries(tree).flatMap(([element, child]): [string, FieldTree][] => {
    const goneChild = removed[element];
    if (goneChild === undefined) return [[element, child]];
    if (element === ".") return [];
    const rest = subtract(marked(child), marked(goneChild));
    return isEmpty(rest) ? [] : [[element, unmarked(rest)]];
  });
  return Object.fromEntries(left);
}

function isEmpty(tree: FieldTree): boolean {
  return Object.keys(tree).length === 0;
}

/** An owned leaf as a node with a `.`, so that it can take children and differs from a set without fields. */
function marked(node: FieldTree): FieldTree {
  return isEmpty(node) ? { ".": owned } : node;
}

function unmarked(node: FieldTree): FieldTree {
  return Object.keys(node).length === 1 && node["."] !== undefined ? owned : node;
}
