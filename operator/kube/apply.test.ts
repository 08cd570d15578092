// Whose object an apply may write into, before anything is sent. What the API server makes of a write is for the integration tests.

import type { OwnerReference } from "kubernetes-types/meta/v1.js";
import { expect, test } from "vitest";
import { applyOwned } from "./apply.ts";
import { ConflictError, NotControlledError } from "./errors.ts";
import { type Thing, thing, things } from "./testing.ts";
import type { KubeClient } from "./types.ts";

/** Any request is one too many. */
const client = new Proxy({} as KubeClient, {
  get: (_target, verb) => () => expect.unreachable(`the client was asked to ${String(verb)}`),
});

const owner = { apiVersion: "example.com/v1", kind: "Owner", name: "a", uid: "new", controller: true };

function owned(...ownerReferences: OwnerReference[]): Thing {
  const { metadata, ...rest } = thing("child", "7");
  return { ...rest, metadata: { ...metadata, ownerReferences } };
}

test.each([
  ["belongs to nobody", owned(), NotControlledError],
  ["belongs to another owner", owned({ ...owner, name: "b", uid: "b" }), NotControlledError],
  [
    "belongs to an owner of that name of another kind",
    owned({ ...owner, kind: "Other", uid: "b" }),
    NotControlledError,
  ],
  [
    "belongs to an owner of that name of another group",
    owned({ ...owner, apiVersion: "v1", uid: "b" }),
    NotControlledError,
  ],
  ["is left from an earlier owner of the same name: it is waited for", owned({ ...owner, uid: "old" }), ConflictError],
])("an object that %s is not written to", async (_what, live, error) => {
  const applying = applyOwned({
    client,
    type: things,
    desired: owned(owner),
    live,
    fieldManager: "tester",
    createFieldManager: "tester-create",
    hashAnnotation: "example.com/applied-hash",
  });
  await expect(applying).rejects.toThrow(error);
});
