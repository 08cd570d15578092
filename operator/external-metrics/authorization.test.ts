// Decisions about users: what is asked of the API server, and how long an answer counts.

import type { SubjectAccessReview } from "kubernetes-types/authorization/v1.js";
import { beforeEach, describe, expect, test } from "vitest";
import type { Clock } from "../kube/clock.ts";
import { ApiError, ConnectionError } from "../kube/errors.ts";
import type { User } from "./authentication.ts";
import { type AccessAttributes, Authorizer } from "./authorization.ts";
import { InMemoryClient } from "./in-memory-client.ts";

const alice: User = { name: "alice", groups: ["team"], extra: { scopes: ["a"] } };
let nowMs = 0;
const clock: Clock = { nowMs: () => nowMs, schedule: () => () => undefined };

let client: InMemoryClient;
let questions: SubjectAccessReview["spec"][];
let answer: SubjectAccessReview["status"] | undefined;

beforeEach(() => {
  nowMs = 1000;
  questions = [];
  answer = { allowed: true };
  client = new InMemoryClient();
  client.reviews.set("SubjectAccessReview", (review) => {
    questions.push((review as SubjectAccessReview).spec);
    return { ...review, ...(answer === undefined ? {} : { status: answer }) };
  });
});

function list(namespace: string, resource = "plimsoll_request_rate"): AccessAttributes {
  return { resourceAttributes: { namespace, resource, verb: "list", group: "external.metrics.k8s.io" } };
}

test("the question names the user with all that is known, and what is wanted", async () => {
  await new Authorizer({ client, clock }).authorize({ ...alice, uid: "42" }, list("vision"));
  expect(questions).toEqual([
    { user: "alice", uid: "42", groups: ["team"], extra: { scopes: ["a"] }, ...list("vision") },
  ]);
});

describe("a user is refused when", () => {
  test.each<[sentence: string, status: SubjectAccessReview["status"] | undefined, message: string]>([
    ["the answer is no", { allowed: false }, 'User "alice" cannot list resource "plimsoll_request_rate"'],
    ["the answer is no, with the reason", { allowed: false, reason: "not on Sundays" }, "not on Sundays"],
    ["the answer is both yes and no", { allowed: true, denied: true }, "forbidden"],
    ["there is no answer", undefined, "forbidden"],
  ])("%s", async (_sentence, status, message) => {
    answer = status;
    const refusal = new Authorizer({ client, clock }).authorize(alice, list("vision"));
    await expect(refusal).rejects.toMatchObject({ status: 403, message: expect.stringContaining(message) });
  });
});

test("a path is refused by its path", async () => {
  answer = { allowed: false };
  const refusal = new Authorizer({ client, clock }).authorize(alice, {
    nonResourceAttributes: { path: "/apis", verb: "get" },
  });
  await expect(refusal).rejects.toThrow('User "alice" cannot get path "/apis"');
});

describe("the API server is asked", () => {
  test("once for equal questions at the same time, and within ten seconds", async () => {
    const authorizer = new Authorizer({ client, clock });
    await Promise.all([authorizer.authorize(alice, list("a")), authorizer.authorize(alice, list("a"))]);
    nowMs += 9_999;
    await authorizer.authorize(alice, list("a"));
    expect(questions).toHaveLength(1);
  });

  test("again after ten seconds, so that a permission that was taken away ends", async () => {
    const authorizer = new Authorizer({ client, clock });
    await authorizer.authorize(alice, list("a"));
    answer = { allowed: false };
    nowMs += 10_000;
    await expect(authorizer.authorize(alice, list("a"))).rejects.toThrow("forbidden");
  });

  test.each<[sentence: string, user: User, attributes: AccessAttributes]>([
    ["user", { ...alice, name: "bob" }, list("a")],
    ["group", { ...alice, groups: ["other"] }, list("a")],
    ["extra", { ...alice, extra: {} }, list("a")],
    ["namespace", alice, list("b")],
    ["metric", alice, list("a", "plimsoll_queue_depth")],
    ["kind of question", alice, { nonResourceAttributes: { path: "/apis", verb: "get" } }],
  ])("anew for another %s", async (_sentence, user, attributes) => {
    const authorizer = new Authorizer({ client, clock });
    await authorizer.authorize(alice, list("a"));
    await authorizer.authorize(user, attributes);
    expect(questions).toHaveLength(2);
  });

  test("a second time at once when the connection broke, since a review changes nothing", async () => {
    let broken = true;
    client.before = () => {
      if (broken) {
        broken = false;
        throw new ConnectionError("reset");
      }
    };
    await new Authorizer({ client, clock }).authorize(alice, list("a"));
    expect(questions).toHaveLength(1);
  });

  test("again after a failure: a failure is nobody's answer", async () => {
    const authorizer = new Authorizer({ client, clock });
    client.before = () => {
      throw new ApiError("create SubjectAccessReview", 500, {});
    };
    await expect(authorizer.authorize(alice, list("a"))).rejects.toThrow(ApiError);
    client.before = () => undefined;
    await authorizer.authorize(alice, list("a"));
    expect(questions).toHaveLength(1);
  });

  test("again for what had to make room", async () => {
    const authorizer = new Authorizer({ client, clock, maxEntries: 2 });
    for (const namespace of ["a", "b", "c", "c", "b", "a"]) await authorizer.authorize(alice, list(namespace));
    expect(questions.map(({ resourceAttributes }) => resourceAttributes?.namespace)).toEqual(["a", "b", "c", "a"]);
  });
});
