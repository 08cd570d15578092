// Who may read which metric: asked of the API server, remembered for a moment.

import type {
  NonResourceAttributes,
  ResourceAttributes,
  SubjectAccessReview,
} from "kubernetes-types/authorization/v1.js";
import { fieldManager } from "../api/group.ts";
import type { Clock } from "../kube/clock.ts";
import { ConnectionError } from "../kube/errors.ts";
import type { KubeClient, ResourceType } from "../kube/types.ts";
import type { User } from "./authentication.ts";
import { StatusError } from "./status-error.ts";

const subjectAccessReviews: ResourceType<SubjectAccessReview> = {
  apiVersion: "authorization.k8s.io/v1",
  kind: "SubjectAccessReview",
  plural: "subjectaccessreviews",
  namespaced: false,
  review: true,
};

export type AccessAttributes =
  | { readonly resourceAttributes: ResourceAttributes }
  | { readonly nonResourceAttributes: NonResourceAttributes };

interface Decision {
  readonly allowed: boolean;
  readonly reason: string;
}

interface Entry {
  readonly decision: Promise<Decision>;
  readonly untilMs: number;
}

export interface AuthorizerOptions {
  readonly client: KubeClient;
  /** Monotonic. */
  readonly clock: Clock;
  /** How long a decision is remembered; the default of Kubernetes' library. */
  readonly rememberMs?: number;
  readonly maxEntries?: number;
}

/** Asks the API server by SubjectAccessReview. Equal questions at the same time are asked once. */
export class Authorizer {
  readonly #client: KubeClient;
  readonly #clock: Clock;
  readonly #rememberMs: number;
  readonly #maxEntries: number;
  // In the order of their end, since all are remembered equally long.
  readonly #entries = new Map<string, Entry>();

  constructor({ client, clock, rememberMs = 10_000, maxEntries = 4096 }: AuthorizerOptions) {
    this.#client = client;
    this.#clock = clock;
    this.#rememberMs = rememberMs;
    this.#maxEntries = maxEntries;
  }

  /** Throws `StatusError` 403 when the user may not, and what the client throws when nobody can tell. */
  async authorize(user: User, attributes: AccessAttributes): Promise<void> {
    const { allowed, reason } = await this.#decide(user, attributes);
    if (!allowed) throw new StatusError(403, `${describe(user, attributes)}${reason === "" ? "" : `: ${reason}`}`);
  }

  #decide(user: User, attributes: AccessAttributes): Promise<Decision> {
    const nowMs = this.#clock.nowMs();
    const key = JSON.stringify([user, attributes]);
    const known = this.#entries.get(key);
    if (known !== undefined && nowMs < known.untilMs) return known.decision;
    const decision = this.#review(user, attributes);
    const entry = { decision, untilMs: nowMs + this.#rememberMs };
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    this.#dropOld(nowMs);
    decision.catch(() => {
      if (this.#entries.get(key) === entry) this.#entries.delete(key);
    });
    return decision;
  }

  #dropOld(nowMs: number): void {
    for (const [key, { untilMs }] of this.#entries) {
      if (untilMs > nowMs && this.#entries.size <= this.#maxEntries) return;
      this.#entries.delete(key);
    }
  }

  async #review(user: User, attributes: AccessAttributes): Promise<Decision> {
    const { name, uid, groups, extra } = user;
    const review = {
      metadata: {},
      spec: {
        user: name,
        ...(uid === undefined ? {} : { uid }),
        groups: [...groups],
        extra: Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, [...values]])),
        ...attributes,
      },
    };
    const ask = () => this.#client.create(subjectAccessReviews, review, { fieldManager });
    // A review changes nothing, so it may be repeated where another POST may not.
    const { status } = await ask().catch((error: unknown) => {
      if (error instanceof ConnectionError) return ask();
      throw error;
    });
    return { allowed: status?.allowed === true && status.denied !== true, reason: status?.reason ?? "" };
  }
}

function describe(user: User, attributes: AccessAttributes): string {
  const who = `User ${JSON.stringify(user.name)} cannot`;
  if ("nonResourceAttributes" in attributes) {
    const { verb, path } = attributes.nonResourceAttributes;
    return `forbidden: ${who} ${verb} path ${JSON.stringify(path)}`;
  }
  const { verb, resource, group, namespace } = attributes.resourceAttributes;
  return (
    `${resource}.${group} is forbidden: ${who} ${verb} resource ${JSON.stringify(resource)} ` +
    `in API group ${JSON.stringify(group)} in the namespace ${JSON.stringify(namespace)}`
  );
}
