// HTTP agents that check the address they are about to connect to, whatever name or spelling led to it.

import { lookup, type LookupAddress } from "node:dns";
import { type AgentOptions, type ClientRequestArgs, Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent, type RequestOptions } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import type { Duplex } from "node:stream";

import { LoadError } from "../load-error.ts";
import type { NetworkPolicy } from "./network-policy.ts";

/** All addresses of a host name. Rejects when there is none. */
export type ResolveHost = (name: string) => Promise<readonly LookupAddress[]>;

export interface GuardedAgents {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
}

type OnSocket = (error: Error | null, socket: Duplex) => void;

/** Asks the system, which knows the cluster's own names. */
export const resolveWithSystem: ResolveHost = async (name) => {
  const { promise, resolve, reject } = Promise.withResolvers<LookupAddress[]>();
  lookup(name, { all: true }, (error, addresses) => (error === null ? resolve(addresses) : reject(error)));
  return promise;
};

/**
 * Agents whose connections fail with a LoadError where `policy` refuses the address. A name is resolved once per
 * connection and the addresses that were checked are the ones connected to: a name that changes in between gains nothing.
 */
export function makeGuardedAgents(policy: NetworkPolicy, resolve: ResolveHost): GuardedAgents {
  // One connection per request, gone with it: none is left behind when the download ends.
  const options: AgentOptions & { lookup: LookupFunction } = { keepAlive: false, lookup: guardedLookup(policy, resolve) };
  return { http: new GuardedHttpAgent(policy, options), https: new GuardedHttpsAgent(policy, options) };
}

class GuardedHttpAgent extends HttpAgent {
  readonly #policy: NetworkPolicy;

  constructor(policy: NetworkPolicy, options: AgentOptions) {
    super(options);
    this.#policy = policy;
  }

  override createConnection(target: ClientRequestArgs, onSocket?: OnSocket): Duplex | null | undefined {
    const refused = refusedLiteral(target.host, this.#policy);
    return refused === undefined ? super.createConnection(target, onSocket) : fail(refused, onSocket);
  }
}

class GuardedHttpsAgent extends HttpsAgent {
  readonly #policy: NetworkPolicy;

  constructor(policy: NetworkPolicy, options: AgentOptions) {
    super(options);
    this.#policy = policy;
  }

  override createConnection(target: RequestOptions, onSocket?: OnSocket): Duplex | null | undefined {
    const refused = refusedLiteral(target.host, this.#policy);
    return refused === undefined ? super.createConnection(target, onSocket) : fail(refused, onSocket);
  }
}

/** Node calls with the error alone; its types want a socket as well. */
function fail(error: LoadError, onSocket: OnSocket | undefined): undefined {
  (onSocket as ((error: Error) => void) | undefined)?.(error);
}

/** Node looks up no name for what is an address already, so that is checked here; all else meets `guardedLookup`. */
function refusedLiteral(host: string | null | undefined, policy: NetworkPolicy): LoadError | undefined {
  return host === null || host === undefined || isIP(host) === 0 ? undefined : refusal(host, [host], policy);
}

function guardedLookup(policy: NetworkPolicy, resolve: ResolveHost): LookupFunction {
  return (name, { all, family }, done) => {
    const answer = async () => {
      const addresses = await resolve(name);
      const allowed = addresses.filter(({ address }) => policy.refusalOf(address) === undefined);
      const fitting = allowed.filter((entry) => family === 0 || family === undefined || family === entry.family);
      const [first] = fitting;
      if (first === undefined) {
        throw refusal(name, addresses.map(({ address }) => address), policy) ?? new Error(`no address for ${name}`);
      }
      return { fitting, first };
    };
    answer().then(
      ({ fitting, first }) => (all === true ? done(null, [...fitting]) : done(null, first.address, first.family)),
      (error: NodeJS.ErrnoException) => done(error, ""),
    );
  };
}

/** The complaint about the first address that is refused; undefined where none is. */
function refusal(host: string, addresses: readonly string[], policy: NetworkPolicy): LoadError | undefined {
  for (const address of addresses) {
    const reason = policy.refusalOf(address);
    if (reason !== undefined) {
      const subject = host === address ? `the address ${address}` : `${host} has the address ${address}, which`;
      const advice =
        reason === "forbidden"
          ? "link-local, metadata and other special addresses are never connected to"
          : "allow its network with --storage-allowed-networks";
      return new LoadError("download", "ADDRESS_NOT_ALLOWED", `${subject} is not allowed; ${advice}`);
    }
  }
  return undefined;
}
