// The cache: lookups, indexes, and listeners that learn of exactly what changed.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { controllerUid, Store } from "./store.ts";
import { type Thing, thing } from "./testing.ts";

function makeStore(): { store: Store<Thing>; changes: string[]; errors: unknown[] } {
  const errors: unknown[] = [];
  const store = new Store<Thing>({
    indexers: { namespace: ({ metadata }) => [metadata?.namespace ?? ""], owner: controllerUid },
    onListenerError: (error) => errors.push(error),
  });
  const changes: string[] = [];
  store.subscribe((before, after) =>
    changes.push(
      [before, after].map((o) => (o ? `${o.metadata?.name}@${o.metadata?.resourceVersion}` : "-")).join(" > "),
    ),
  );
  return { store, changes, errors };
}

function ownedThing(name: string, owner: string, resourceVersion = "1"): Thing {
  const object = thing(name, resourceVersion);
  const ownerReferences = [
    { apiVersion: "v1", kind: "Other", name: "other", uid: "not-the-controller" },
    { apiVersion: "v1", kind: "Owner", name: "owner", uid: owner, controller: true },
  ];
  return { ...object, metadata: { ...object.metadata, ownerReferences } };
}

describe("store", () => {
  test("of several namespaces replaces one and leaves the others alone", () => {
    const { store, changes } = makeStore();
    const other = { ...thing("a", "1"), metadata: { ...thing("a", "1").metadata, namespace: "ns-2" } };
    store.set(other);
    store.set(thing("gone", "1"));
    changes.length = 0;
    store.replace([thing("new", "2")], "ns");
    expect(changes).toEqual(["gone@1 > -", "- > new@2"]);
    expect(store.get("ns-2/a")).toBe(other);
    expect(store.byIndex("namespace", "ns-2")).toEqual([other]);
  });

  test("tells of new, changed and deleted objects", () => {
    const { store, changes } = makeStore();
    store.set(thing("a", "1"));
    store.set(thing("a", "2"));
    store.delete(thing("a", "3"));
    store.delete(thing("a", "3"));
    expect(changes).toEqual(["- > a@1", "a@1 > a@2", "a@3 > -"]);
    expect(store.size).toBe(0);
  });

  test("a list replaces everything: what is missing is gone, what is the same is not told", () => {
    const { store, changes } = makeStore();
    for (const name of ["gone", "same", "changed"]) store.set(thing(name, "1"));
    changes.length = 0;
    store.replace([thing("same", "1"), thing("changed", "2"), thing("new", "1")]);
    expect(changes).toEqual(["gone@1 > -", "changed@1 > changed@2", "- > new@1"]);
    expect(store.list().map((object) => object.metadata?.name)).toEqual(["same", "changed", "new"]);
  });

  test.each(["set", "replace"] as const)(
    "an object made anew under its name is a deletion and a creation (%s)",
    (how) => {
      const { store, changes } = makeStore();
      store.set(thing("a", "1", "first"));
      changes.length = 0;
      const second = thing("a", "5", "second");
      if (how === "set") store.set(second);
      else store.replace([second]);
      expect(changes).toEqual(["a@1 > -", "- > a@5"]);
    },
  );

  test("listeners see the new content, and one that throws stops neither the others nor the store", () => {
    const { store, changes, errors } = makeStore();
    const seen: number[] = [];
    store.subscribe(() => {
      throw new Error("mine");
    });
    const end = store.subscribe(() => seen.push(store.size));
    store.replace([thing("a", "1"), thing("b", "1")]);
    end();
    store.set(thing("c", "1"));
    expect(seen).toEqual([2, 2]);
    expect(changes).toHaveLength(3);
    expect(errors).toHaveLength(3);
  });

  test("an index follows its objects", () => {
    const { store } = makeStore();
    store.set(ownedThing("a", "u1"));
    store.set(ownedThing("b", "u1"));
    store.set(thing("free", "1"));
    const owned = (uid: string): unknown[] => store.byIndex("owner", uid).map((object) => object.metadata?.name);
    expect(owned("u1")).toEqual(["a", "b"]);
    store.set(ownedThing("a", "u2", "2"));
    expect([owned("u1"), owned("u2")]).toEqual([["b"], ["a"]]);
    store.delete(ownedThing("b", "u1"));
    expect(owned("u1")).toEqual([]);
    expect(store.byIndex("namespace", "ns")).toHaveLength(2);
    expect(() => store.byIndex("colour", "red")).toThrow('the store has no index "colour"');
  });

  test("after any history, indexes and listeners agree with the content", () => {
    const change = fc.record({
      name: fc.constantFrom("a", "b", "c"),
      owner: fc.constantFrom("x", "y"),
      rv: fc.nat(99).map(String),
    });
    const step = fc.oneof(
      fc.record({ act: fc.constant("set" as const), one: change }),
      fc.record({ act: fc.constant("delete" as const), one: change }),
      fc.record({ act: fc.constant("replace" as const), all: fc.uniqueArray(change, { selector: (c) => c.name }) }),
    );
    fc.assert(
      fc.property(fc.array(step), (script) => {
        const { store } = makeStore();
        const mirror = new Map<string | undefined, Thing>();
        store.subscribe((before, after) => {
          if (after === undefined) mirror.delete(before?.metadata?.name);
          else mirror.set(after.metadata?.name, after);
        });
        const make = ({ name, owner, rv }: { name: string; owner: string; rv: string }): Thing =>
          ownedThing(name, owner, rv);
        for (const one of script) {
          if (one.act === "set") store.set(make(one.one));
          if (one.act === "delete") store.delete(make(one.one));
          if (one.act === "replace") store.replace(one.all.map(make));
        }
        const version = (object: Thing): string => `${object.metadata?.name}@${object.metadata?.resourceVersion}`;
        expect(new Set([...mirror.values()].map(version))).toEqual(new Set(store.list().map(version)));
        for (const owner of ["x", "y"]) {
          const listed = store.list().filter((object) => controllerUid(object)[0] === owner);
          expect(new Set(store.byIndex("owner", owner))).toEqual(new Set(listed));
        }
      }),
    );
  });
});
