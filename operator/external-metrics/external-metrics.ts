// Serves external.metrics.k8s.io and keeps everything that this needs in place: authority, certificates, trust, registration.

import { isDeepStrictEqual } from "node:util";
import { type Clock, wait } from "../kube/clock.ts";
import type { KubeClient, Logger } from "../kube/types.ts";
import { AuthorityStore } from "./authority-store.ts";
import { Authorizer } from "./authorization.ts";
import {
  type Authority,
  issueServingCertificate,
  type ServingCertificate,
  servingNeedsRenewal,
} from "./certificate.ts";
import { type FrontProxyTrust, readFrontProxyTrust } from "./front-proxy-trust.ts";
import { Registrar, type Registration } from "./registration.ts";
import { externalMetricsName, type Reach, servingNames } from "./registration-objects.ts";
import { MetricsServer } from "./server.ts";
import type { ExternalMetricsSource } from "./source.ts";

export type ExternalMetricsState =
  | { readonly kind: "starting" }
  /** HPAs read their metrics here. */
  | { readonly kind: "serving" }
  /** They read them from another provider: `namespace/name` of its Service. */
  | { readonly kind: "foreign"; readonly owner: string }
  /** They read them from nobody; the message says why. */
  | { readonly kind: "unavailable"; readonly message: string };

export interface ExternalMetricsOptions {
  readonly client: KubeClient;
  readonly source: ExternalMetricsSource;
  /** The operator's own: the Secret, the Service and the EndpointSlice live there. */
  readonly namespace: string;
  /** How kube-apiserver reaches this server. */
  readonly reach: Reach;
  readonly listen: { readonly host: string; readonly port: number };
  /** Samples older than this are not served. */
  readonly maxSampleAgeMs: number;
  /** Whether this replica is the one that writes; every replica serves. */
  readonly mayWrite: () => boolean;
  readonly clock: Clock;
  /** Milliseconds since the epoch: certificates end at a date. */
  readonly now: () => number;
  readonly logger: Logger;
  /** Between two checks that all is in place. */
  readonly checkIntervalMs?: number;
}

/** The port cannot be had: nothing that time would cure. */
export class ListenError extends Error {
  readonly code = "EXTERNAL_METRICS_LISTEN";

  constructor({ host, port }: { host: string; port: number }, cause: Error) {
    super(`cannot listen on ${host}:${port} for external metrics (${cause.message}): choose another address or port`, {
      cause,
    });
    this.name = "ListenError";
  }
}

const firstRetryMs = 1_000;

export class ExternalMetrics {
  readonly #options: ExternalMetricsOptions;
  readonly #authorities: AuthorityStore;
  readonly #registrar: Registrar;
  readonly #authorizer: Authorizer;
  #state: ExternalMetricsState = { kind: "starting" };
  #server: MetricsServer | undefined;
  #serving: ServingCertificate | undefined;
  /** Authorities that kube-apiserver trusts; undefined while no client depends on it. */
  #registered: readonly string[] | undefined;

  constructor(options: ExternalMetricsOptions) {
    const shared = { ...options, name: externalMetricsName };
    this.#options = options;
    this.#authorities = new AuthorityStore(shared);
    this.#registrar = new Registrar(shared);
    this.#authorizer = new Authorizer(options);
  }

  state(): ExternalMetricsState {
    return this.#state;
  }

  /**
   * Serves until the signal aborts; rejects with `ListenError` when the port cannot be had, and with nothing else.
   * Leaves everything registered when it ends: other replicas, or this one after a restart, go on.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, checkIntervalMs = 30_000 } = this.#options;
    try {
      for (let failures = 0; !signal.aborted; ) {
        const inPlace = await this.#checkAndReport(signal);
        failures = inPlace ? 0 : failures + 1;
        const retryMs = firstRetryMs * 2 ** Math.min(failures - 1, 10);
        await wait(clock, inPlace ? checkIntervalMs : Math.min(retryMs, checkIntervalMs), signal);
      }
    } finally {
      await this.#server?.close();
    }
  }

  /** False when it is worth looking again soon. */
  async #checkAndReport(signal: AbortSignal): Promise<boolean> {
    try {
      this.#enter(await this.#check(signal));
      return this.#known();
    } catch (error) {
      if (error instanceof ListenError) throw error;
      if (signal.aborted) return false;
      this.#options.logger.warn({ err: error }, "external metrics check failed");
      // A check that could not be made says nothing new about who serves.
      const message = error instanceof Error ? error.message : String(error);
      if (!this.#known()) this.#enter({ kind: "unavailable", message });
      return false;
    }
  }

  #known(): boolean {
    return this.#state.kind === "serving" || this.#state.kind === "foreign";
  }

  async #check(signal: AbortSignal): Promise<ExternalMetricsState> {
    const authority = await this.#authorities.load(signal);
    if (authority === undefined) return { kind: "unavailable", message: "the leader has not made the authority yet" };
    // Listening comes before registering: kube-apiserver tries the address at once.
    await this.#serve(authority, await readFrontProxyTrust(this.#options.client, signal));
    return this.#conclude(await this.#registrar.ensure(authority.certificates, signal), authority);
  }

  async #serve(authority: Authority, trust: FrontProxyTrust): Promise<void> {
    const { namespace, now, listen, logger } = this.#options;
    // A new authority issues nothing before kube-apiserver trusts it.
    const trusted = this.#registered === undefined || this.#registered.includes(authority.certificates[0]);
    const renew = trusted && this.#serving !== undefined && servingNeedsRenewal(this.#serving, authority, now());
    const serving =
      this.#serving === undefined || renew
        ? await issueServingCertificate(authority, servingNames(namespace), now())
        : this.#serving;
    this.#serving = serving;
    if (this.#server !== undefined) return this.#server.use({ serving, trust });
    const server = new MetricsServer({ ...this.#options, authorizer: this.#authorizer }, { serving, trust });
    const address = await server.listen(listen.host, listen.port).catch((error: Error) => {
      throw new ListenError(listen, error);
    });
    this.#server = server;
    logger.info({ address: address.address, port: address.port }, "external metrics server listening");
  }

  #conclude(registration: Registration, authority: Authority): ExternalMetricsState {
    switch (registration.kind) {
      case "registered": {
        this.#registered = authority.certificates;
        const { problem } = registration;
        return problem === undefined ? { kind: "serving" } : { kind: "unavailable", message: problem };
      }
      case "foreign":
        this.#registered = undefined;
        return { kind: "foreign", owner: registration.owner };
      case "waiting":
        return { kind: "unavailable", message: "the leader has not registered the external metrics server yet" };
    }
  }

  #enter(state: ExternalMetricsState): void {
    if (isDeepStrictEqual(state, this.#state)) return;
    this.#state = state;
    const { logger } = this.#options;
    if (state.kind === "serving") logger.info({ state }, "external metrics state changed");
    else logger.warn({ state }, "external metrics state changed");
  }
}
