// Registers the server with kube-apiserver, and keeps it registered without ever taking the place of another provider.

import { fieldManager } from "../api/group.ts";
import { conditionOf } from "../kube/conditions.ts";
import { isConflict } from "../kube/errors.ts";
import { type ApiService, apiServices, endpointSlices, services } from "../kube/resource-types.ts";
import type { KubeClient, KubeObject, Logger, ObjectRef, ResourceType } from "../kube/types.ts";
import {
  apiServiceName,
  apiServicePatch,
  endpointSlicePatch,
  externalMetricsName,
  foreignOwner,
  makeApiService,
  makeEndpointSlice,
  makeService,
  type Reach,
  servicePatch,
} from "./registration-objects.ts";

export type Registration =
  /** kube-apiserver sends the requests here; `problem` says why it cannot, `undefined` that it can. */
  | { readonly kind: "registered"; readonly problem: string | undefined }
  /** Another provider answers: `namespace/name` of its Service. */
  | { readonly kind: "foreign"; readonly owner: string }
  /** Something is missing or altered, and another replica has to write it. */
  | { readonly kind: "waiting" };

export interface RegistrarOptions {
  readonly client: KubeClient;
  /** The operator's own. */
  readonly namespace: string;
  readonly reach: Reach;
  /** Whether this replica is the one that writes. */
  readonly mayWrite: () => boolean;
  readonly logger: Logger;
}

/** An object as it should be, and what has to change in the one that is there. */
interface Wish<T extends KubeObject> {
  readonly type: ResourceType<T>;
  readonly desired: T;
  readonly patchOf: (actual: T, desired: T) => object | undefined;
}

const maxAttempts = 5;

export class Registrar {
  readonly #options: RegistrarOptions;

  constructor(options: RegistrarOptions) {
    this.#options = options;
  }

  /**
   * Makes kube-apiserver trust `authorities` (PEM) and send requests here. Writes nothing when everything is in
   * place, and nothing at all while the APIService belongs to somebody else.
   */
  async ensure(authorities: readonly string[], signal: AbortSignal): Promise<Registration> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#ensureOnce(authorities, signal);
      } catch (error) {
        if (!isConflict(error) || attempt === maxAttempts) throw error;
      }
    }
  }

  async #ensureOnce(authorities: readonly string[], signal: AbortSignal): Promise<Registration> {
    const { client, namespace, reach } = this.#options;
    const present = await client.get(apiServices, { name: apiServiceName }, { signal });
    const owner = present && foreignOwner(present, namespace);
    if (owner !== undefined) return { kind: "foreign", owner };
    const service = { type: services, desired: makeService(namespace, reach), patchOf: servicePatch };
    const apiService = { type: apiServices, desired: makeApiService(namespace, authorities), patchOf: apiServicePatch };
    // An APIService that leads nowhere delays discovery and the deletion of namespaces: it comes last.
    const done =
      (await this.#fulfil(service, await this.#read(service, signal), signal)) &&
      (await this.#ensureEndpoints(signal)) &&
      (await this.#fulfil(apiService, present, signal));
    return done ? { kind: "registered", problem: availabilityProblem(present) } : { kind: "waiting" };
  }

  async #ensureEndpoints(signal: AbortSignal): Promise<boolean> {
    const { client, namespace, reach, mayWrite } = this.#options;
    const ref = { namespace, name: externalMetricsName };
    const present = await client.get(endpointSlices, ref, { signal });
    const desired = "endpoint" in reach ? makeEndpointSlice(namespace, reach.endpoint) : undefined;
    // The selector finds the pods, so the slice of an operator that ran outside the cluster would mislead; and the
    // address type of a slice cannot change.
    const misleading = present !== undefined && present.addressType !== desired?.addressType;
    if (misleading) {
      if (!mayWrite()) return false;
      await client.delete(endpointSlices, ref, { ...precondition(present), signal });
    }
    if (desired === undefined) return true;
    const wish = { type: endpointSlices, desired, patchOf: endpointSlicePatch };
    return this.#fulfil(wish, misleading ? undefined : present, signal);
  }

  #read<T extends KubeObject>({ type, desired }: Wish<T>, signal: AbortSignal): Promise<T | undefined> {
    return this.#options.client.get(type, refOf(desired), { signal });
  }

  /** False when something would have to be written by another replica. */
  async #fulfil<T extends KubeObject>(wish: Wish<T>, actual: T | undefined, signal: AbortSignal): Promise<boolean> {
    const { client, mayWrite, logger } = this.#options;
    const { type, desired, patchOf } = wish;
    const patch = actual === undefined ? undefined : patchOf(actual, desired);
    if (actual !== undefined && patch === undefined) return true;
    if (!mayWrite()) return false;
    const options = { fieldManager, signal };
    if (patch === undefined) await client.create(type, desired, options);
    else await client.patch(type, refOf(desired), patch, options);
    logger.info({ kind: type.kind, ...refOf(desired) }, patch === undefined ? "created" : "restored");
    return true;
  }
}

function refOf({ metadata }: KubeObject): ObjectRef {
  const { namespace, name = "" } = metadata ?? {};
  return namespace === undefined ? { name } : { namespace, name };
}

function precondition({ metadata }: KubeObject): { uid?: string } {
  return metadata?.uid === undefined ? {} : { uid: metadata.uid };
}

/** What kube-apiserver's own check of the server says. */
function availabilityProblem(apiService: ApiService | undefined): string | undefined {
  const available = conditionOf(apiService?.status, "Available");
  if (available === undefined) return "kube-apiserver has not checked the APIService yet";
  if (available.status === "True") return undefined;
  return `kube-apiserver cannot use the APIService: ${available.reason ?? "Unknown"}: ${available.message ?? ""}`;
}
